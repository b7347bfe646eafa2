//! One suite in a world of its own, and what is true of every request afterwards.

use super::command::{RUNNING, done};
use super::install::clients;
use super::{provider, seen};
use crate::world::{REAL_KEY, World};
use postern_stack::{Seen, Upstream};
use serde_json::{Value, json};

/// A script in `tests/sdk`, and the providers that it calls.
pub struct Suite {
    script: &'static str,
    called: Vec<Called>,
}

/// A provider that a suite calls, and the only credential that the sample provider accepts there.
struct Called {
    slug: &'static str,
    /// The built-in provider or template that it is, if the slug is the organization's own.
    template: Option<&'static str>,
    auth_type: &'static str,
    secret: String,
}

impl Suite {
    pub fn new(script: &'static str) -> Self {
        Self {
            script,
            called: Vec::new(),
        }
    }

    /// The suite calls this built-in provider, where the organization has an API key.
    pub fn calling(self, slug: &'static str) -> Self {
        self.calling_with(slug, "api_key", REAL_KEY)
    }

    /// The suite calls this built-in provider, where the organization has this credential.
    pub fn calling_with(self, slug: &'static str, auth_type: &'static str, secret: &str) -> Self {
        self.and(slug, None, auth_type, secret)
    }

    /// The suite calls a provider of the organization's own, which has this template's shape.
    pub fn calling_own(self, slug: &'static str, template: &'static str) -> Self {
        self.and(slug, Some(template), "api_key", REAL_KEY)
    }

    fn and(
        mut self,
        slug: &'static str,
        template: Option<&'static str>,
        auth_type: &'static str,
        secret: &str,
    ) -> Self {
        self.called.push(Called {
            slug,
            template,
            auth_type,
            secret: secret.to_owned(),
        });
        self
    }

    /// Runs the script with a placeholder that has no secret of its own. Each provider has a sample of its own;
    /// `SAMPLE_URL` is the address of the first.
    pub async fn run(self) {
        let clients = clients().await;
        let samples = self.samples().await;
        let world = self.world(&samples).await;
        let placeholder = world.minted("a", "agent-a", json!({})).await;
        let front = world.front().await;
        let mut suite = clients.suite(self.script);
        suite
            .env("POSTERN_BASE_URL", front.url())
            .env("POSTERN_PLACEHOLDER", placeholder)
            .env("SAMPLE_URL", samples[0].0.url());
        if let Err(error) = done(&mut suite, RUNNING).await {
            panic!("{error}");
        }
        for (called, (sample, entry)) in self.called.iter().zip(&samples) {
            called.assert_all(entry, &sample.seen());
        }
    }

    async fn samples(&self) -> Vec<(Upstream, Value)> {
        let mut samples = Vec::new();
        for called in &self.called {
            let shape = called.template.unwrap_or(called.slug);
            let sample = Upstream::playing(shape).await.unwrap();
            sample.set_expected_key(Some(called.secret.clone()));
            let entry = provider::at(shape, &sample.url());
            samples.push((sample, entry));
        }
        samples
    }

    /// A world with the samples as its only providers, and an organization with their credentials.
    async fn world(&self, samples: &[(Upstream, Value)]) -> World {
        let both = || self.called.iter().zip(samples);
        let operators = both().filter(|(called, _)| called.template.is_none());
        let entries: Vec<&Value> = operators.map(|(_, (_, entry))| entry).collect();
        let hosts: Vec<String> = samples
            .iter()
            .map(|(sample, _)| format!("127.0.0.1:{}", sample.port()))
            .collect();
        let world = World::with_env(&[
            ("PROVIDERS", &json!(entries).to_string()),
            ("ALLOW_PRIVATE_UPSTREAMS", &hosts.join(",")),
        ])
        .await;
        world
            .ok(json!({"command": "put_organization", "id": "a"}))
            .await;
        world
            .ok(json!({"command": "put_agent", "organization_id": "a", "agent_id": "agent-a"}))
            .await;
        for (called, (_, entry)) in both() {
            if let Some(template) = called.template {
                world
                    .ok(json!({"command": "put_provider", "organization_id": "a", "slug": called.slug,
                        "template": template, "base_url": entry["base_url"]}))
                    .await;
            }
            let secret_ref = format!("postern/org/a/keys/{}", called.slug);
            world.secrets.put(&secret_ref, &called.secret);
            world
                .ok(json!({"command": "put_profile", "organization_id": "a", "id": called.slug,
                    "provider_id": called.provider_id(entry), "auth_type": called.auth_type, "secret_ref": secret_ref}))
                .await;
        }
        world
    }
}

impl Called {
    /// The name that profiles use.
    fn provider_id<'a>(&'a self, entry: &'a Value) -> &'a str {
        self.template
            .map_or_else(|| provider::id(entry), |_| self.slug)
    }

    /// Each request held the real credential in its place, and nothing that must not leave.
    fn assert_all(&self, entry: &Value, requests: &[Seen]) {
        assert!(!requests.is_empty(), "{} was not called", self.slug);
        let shape = provider::shape(entry, self.auth_type);
        for request in requests {
            assert!(!seen::holds_what_is_ours(request), "{request:?}");
            let stands = seen::credential_stands(request, shape, &self.secret);
            assert!(stands, "the credential is not in its place: {request:?}");
        }
    }
}
