//! Two tenants, and what control makes for them: placeholders, worker tokens, policies.

use super::{DISCORD_SEED, SECRET_TOKEN, SIGNING_SECRET, World, merged};
use postern::ConnectionId;
use postern::authority::scope::{ConnectionScope, VerifiedWorker};
use postern::authority::signature::TelegramRequest;
use postern::authority::token;
use postern::store::Schema;
use postern_stack::discord;
use serde_json::{Value, json};

// RFC 8032 section 7.1, test 1, as RFC 8037 appendix A writes it.
pub(super) const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
pub(super) const PUBLIC_KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The key that signs the callbacks of organization a.
pub const CALLBACK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const REAL_KEY: &str = "sk-real-of-org-a-0123456789";

impl World {
    /// Two organizations, `a` and `b`. Each has the agents `shared`, `agent-{org}` and `second-{org}`, and
    /// a connection to each chat. Organization a also has a key for openai and a key that signs callbacks.
    pub async fn tenants(&self) {
        for org in ["a", "b"] {
            self.ok(json!({"command": "put_organization", "id": org}))
                .await;
            for agent in ["shared", &format!("agent-{org}"), &format!("second-{org}")] {
                self.ok(json!({"command": "put_agent", "organization_id": org, "agent_id": agent}))
                    .await;
            }
            let chats = [
                (
                    "slack",
                    json!({"bot_token": format!("xoxb-{org}"), "signing_secret": SIGNING_SECRET}),
                    self.slack.api_base_url(),
                ),
                (
                    "telegram",
                    json!({"bot_token": format!("1:{org}"), "secret_token": [SECRET_TOKEN, "Former"]}),
                    self.telegram.api_base_url(),
                ),
                (
                    "discord",
                    json!({"bot_token": org, "public_key": discord::public_key(&DISCORD_SEED).unwrap(), "application_id": "900"}),
                    self.discord.api_base_url(),
                ),
            ];
            for (platform, secret, api) in chats {
                let secret_ref = format!("postern/org/{org}/chat/{platform}");
                self.secrets.put(&secret_ref, secret.to_string());
                self.ok(json!({"command": "put_connection", "organization_id": org, "id": format!("{platform}-{org}"),
                    "platform": platform, "secret_ref": secret_ref, "config": {"api_base_url": api}}))
                    .await;
            }
        }
        self.secrets.put("postern/org/a/keys/openai", REAL_KEY);
        self.secrets
            .put("postern/org/a/callback-signing", CALLBACK_KEY);
    }

    /// Gives an organization these rules.
    pub async fn policy(&self, org: &str, rules: Value) {
        self.ok(json!({"command": "put_policy", "organization_id": org, "rules": rules}))
            .await;
    }

    /// A placeholder of an organization's agent, with that organization's openai key.
    pub async fn placeholder(&self, org: &str, agent: &str) -> String {
        self.minted(org, agent, json!({"secret_ref": format!("postern/org/{org}/keys/openai"), "allowed_hosts": ["127.0.0.1"]})).await
    }

    /// A placeholder with these fields as well; without any it has no secret of its own.
    pub async fn minted(&self, org: &str, agent: &str, extra: Value) -> String {
        let mint = json!({"command": "mint_placeholder", "organization_id": org, "agent_id": agent,
            "env_var_name": "OPENAI_API_KEY", "deployment_name": "d1"});
        self.ok(merged(mint, extra)).await["placeholder"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A worker token with these claims as well; without any it has no conversation.
    pub async fn token(&self, org: &str, agent: &str, extra: Value) -> String {
        let mint = json!({"command": "mint_worker_token", "organization_id": org, "agent_id": agent, "deployment_name": "d1"});
        self.ok(merged(mint, extra)).await["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A worker token of the agent `agent-{org}` in a conversation with a person.
    pub async fn conversing(&self, org: &str, user: &str) -> String {
        self.token(org, &format!("agent-{org}"), talk(org, user))
            .await
    }

    /// A worker token of the agent `agent-a` that talks to a person over one of a's connections.
    pub async fn talking(&self, platform: &str, user: &str, channel: &str) -> String {
        self.token(
            "a",
            "agent-a",
            json!({"connection_id": format!("{platform}-a"), "user_id": user,
            "channel_id": channel, "conversation_id": channel}),
        )
        .await
    }

    /// A verified worker in a conversation over this connection.
    pub async fn conversation(
        &self,
        org: &str,
        agent: &str,
        connection: &str,
        user: &str,
    ) -> VerifiedWorker {
        let mut extra = talk(org, user);
        extra["connection_id"] = connection.into();
        let token = self.token(org, agent, extra).await;
        token::verify(&PUBLIC_KEYS.into(), &token).unwrap()
    }

    /// The scope of a connection, as a signed webhook proves it.
    pub async fn connection(&self, id: &str) -> ConnectionScope {
        let store = self.store(Schema::Webhooks).await;
        let id = ConnectionId::parse(id).unwrap();
        let connection = store.connection_claimed(&id).await.unwrap().unwrap();
        let signed = TelegramRequest {
            secret_token: Some(SECRET_TOKEN),
        };
        let proof = signed.verify(connection.id(), &[SECRET_TOKEN.into()]);
        connection.scope(&proof.unwrap()).unwrap()
    }

    /// A verified worker without a conversation.
    pub async fn worker(&self, org: &str, agent: &str) -> VerifiedWorker {
        self.worker_with(org, agent, json!({})).await
    }

    /// A verified worker with these claims as well.
    pub async fn worker_with(&self, org: &str, agent: &str, extra: Value) -> VerifiedWorker {
        let token = self.token(org, agent, extra).await;
        token::verify(&PUBLIC_KEYS.into(), &token).unwrap()
    }
}

/// The claims of a conversation on an organization's Slack connection.
pub fn talk(org: &str, user: &str) -> Value {
    json!({"connection_id": format!("slack-{org}"), "user_id": user, "channel_id": "C1", "conversation_id": "1700000000.000100"})
}

/// The claims of a worker token.
pub fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&unbase64url(token.split('.').nth(1).unwrap())).unwrap()
}

/// The id by which a worker token is revoked.
pub fn jti(token: &str) -> String {
    claims_of(token)["jti"].as_str().unwrap().to_owned()
}

pub fn unbase64url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}
