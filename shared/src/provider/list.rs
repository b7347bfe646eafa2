//! The operator's providers: the built-in list, and `PROVIDERS`.

use super::Provider;
use super::checked::Checked;
use super::written::{Entry, WrittenProvider, WrittenShape};
use crate::config::{ConfigError, Env, malformed, malformed_json};
use crate::policy::Target;
use std::collections::HashMap;

const VARIABLE: &str = "PROVIDERS";
const BUILT_IN: &str = include_str!("../providers.json");

/// The operator's providers by slug, and the shapes that tenants' providers may take.
#[derive(Debug)]
pub struct Providers {
    all: HashMap<String, Provider>,
    shapes: HashMap<String, WrittenShape>,
}

impl Providers {
    /// The built-in list, and the operator's `PROVIDERS`, which add to it or replace entries by slug.
    ///
    /// # Errors
    /// Where `PROVIDERS` is malformed.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let list = |text: &str| {
            serde_json::from_str::<Vec<WrittenProvider>>(text)
                .map_err(|error| malformed_json(VARIABLE, &error))
        };
        let built_in = list(BUILT_IN)?;
        let own = env
            .get(VARIABLE)?
            .map(list)
            .transpose()?
            .unwrap_or_default();
        let mut providers = Self {
            all: HashMap::new(),
            shapes: HashMap::new(),
        };
        for written in built_in.into_iter().chain(own) {
            for entry in written
                .entries()
                .map_err(|error| malformed(VARIABLE, error))?
            {
                providers
                    .add(entry)
                    .map_err(|error| malformed(VARIABLE, error))?;
            }
        }
        Ok(providers)
    }

    fn add(&mut self, entry: Entry) -> Result<(), String> {
        let Entry {
            slug,
            provider_id,
            base_url,
            shape,
        } = entry;
        let key = slug.to_string();
        let faulty = |fault| format!("{slug}: {fault}");
        match base_url {
            Some(base_url) => {
                let provider = Provider::new(slug.clone(), provider_id, &base_url, &shape);
                self.all.insert(key.clone(), provider.map_err(faulty)?);
            }
            // A template without an address is no provider, also where it replaces one.
            None => {
                Checked::new(&shape).map_err(faulty)?;
                self.all.remove(&key);
            }
        }
        self.shapes.insert(key, shape);
        Ok(())
    }

    /// The provider of this slug.
    pub fn get(&self, slug: &str) -> Option<&Provider> {
        self.all.get(slug)
    }

    /// The shape of the operator's provider or template of this name.
    pub fn shape(&self, name: &str) -> Option<&WrittenShape> {
        self.shapes.get(name)
    }

    /// Whether the API of one of them is at this host and port.
    pub fn are_at(&self, target: &Target) -> bool {
        self.all.values().any(|provider| provider.is_at(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::AuthType;

    fn providers(own: &str) -> Result<Providers, ConfigError> {
        Providers::from_env(&Env::from_pairs([(VARIABLE, own)]))
    }

    #[test]
    fn the_built_in_list_is_sound_and_https() {
        let providers = Providers::from_env(&Env::from_pairs([])).unwrap();
        assert!(providers.all.len() > 10);
        for (slug, provider) in &providers.all {
            assert!(provider.base_url().starts_with("https://"), "{slug}");
        }
    }

    #[test]
    fn the_operators_list_adds_and_replaces() {
        let own = r#"[{"slug":"openai","provider_id":"mine","base_url":"http://127.0.0.1:81/x/","auth":{"query":"key"}}]"#;
        let providers = providers(own).unwrap();
        let openai = providers.get("openai").unwrap();
        assert_eq!(
            (
                openai.host().as_str(),
                openai.base_url(),
                openai.provider_id.as_str()
            ),
            ("127.0.0.1", "http://127.0.0.1:81/x", "mine")
        );
        assert!(openai.takes_key_in_query("key"));
    }

    #[test]
    fn an_entry_stands_for_each_of_its_regions() {
        let own = r#"[{"slug":"b-{region}","provider_id":"b","base_url":"https://b.{region}.example","regions":["eu","us"],
            "auth":{"aws_sigv4":{"service":"b","region":"{region}"}}}]"#;
        let providers = providers(own).unwrap();
        for region in ["eu", "us"] {
            let provider = providers.get(&format!("b-{region}")).unwrap();
            assert_eq!(provider.base_url(), format!("https://b.{region}.example"));
            assert_eq!(provider.provider_id.as_str(), "b");
            let shape = &provider.auth(AuthType::ApiKey).shape;
            assert!(format!("{shape:?}").contains(&format!("region: Some({region:?})")));
        }
    }

    #[test]
    fn a_template_is_a_shape_and_no_provider() {
        let own = r#"[{"slug":"t","auth":{"header":"api-key"},"constants":{"x-version":"1"}}]"#;
        let providers = providers(own).unwrap();
        assert!(providers.get("t").is_none() && providers.shape("t").is_some());
        assert!(providers.get("openai").is_some() && providers.shape("openai").is_some());
    }

    #[test]
    fn a_malformed_list_names_the_variable() {
        for own in [
            "{}",
            r#"[{"slug":"a b","provider_id":"x","base_url":"https://x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"ftp://x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://u@x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://x","auth":{"header":"a b"}}]"#,
            r#"[{"slug":"a","provider_id":"x","base_url":"https://x/#y","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","provider_id":"x/y","base_url":"https://x","auth":{"query":"k"}}]"#,
            r#"[{"slug":"a","base_url":"https://x","auth":{"query":"k"},"bad_key":[200]}]"#,
            r#"[{"slug":"a","base_url":"https://x","auth":{"query":"k"},"form":"a b"}]"#,
            r#"[{"slug":"a","auth":{"header":"connection"}}]"#,
        ] {
            assert_eq!(providers(own).unwrap_err().variable, VARIABLE, "{own}");
        }
    }
}
