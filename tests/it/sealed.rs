//! Sealed secrets, through the built functions: where they are spent, when they are refused, how their keys rotate.

mod chats;
mod commands;
mod refusals;
mod rotation;
mod spending;

use crate::world::{World, sealing_keys};
use serde_json::{Value, json};

const PATH: &str = "openai/a/agent-a/v1/chat/completions";
const RING: &str = "postern/sealing-keys";

impl World {
    /// Seals a secret of an organization.
    async fn seal(&self, organization: &str, name: &str, value: &str) -> Value {
        self.command(json!({"command": "put_secret", "organization_id": organization, "name": name, "value": value}))
            .await
    }

    /// Gives an organization's agents a profile for openai.
    async fn profile(&self, organization: &str, secret_ref: &str) {
        self.ok(json!({"command": "put_profile", "organization_id": organization, "id": "p", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": secret_ref}))
            .await;
    }

    /// From now on, the ring holds these keys, of which the first is current.
    fn ring(&self, ids: &[&str]) {
        self.secrets.put(RING, sealing_keys(ids[0], ids));
    }

    /// Versions and keys of an organization's rows, by name.
    async fn rows(&self, organization: &str) -> String {
        let rows = "select string_agg(name || ' ' || version % 1000000 || ' ' || key_id, ', ' order by name) from sealed_secrets";
        self.value(&format!("{rows} where organization_id = '{organization}'"))
            .await
    }
}
