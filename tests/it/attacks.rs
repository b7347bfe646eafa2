//! Attacks, each made from outside against the built functions.

mod callbacks;
mod clicks;
mod edges;
mod judge;
mod names;
mod revocation;
mod secrets;
mod shut_out;
mod signing_keys;

use serde_json::{Value, json};

// The commands by which an operator names a secret.

fn profile(organization: &str, secret_ref: &str) -> Value {
    json!({"command": "put_profile", "organization_id": organization, "id": "p", "provider_id": "openai",
        "auth_type": "api_key", "secret_ref": secret_ref})
}

fn placeholder(organization: &str, agent: &str, secret_ref: &str) -> Value {
    json!({"command": "mint_placeholder", "organization_id": organization, "agent_id": agent,
        "env_var_name": "K", "deployment_name": "d", "secret_ref": secret_ref,
        "allowed_hosts": ["127.0.0.1"]})
}

fn connection(organization: &str, id: &str, secret_ref: &str) -> Value {
    json!({"command": "put_connection", "organization_id": organization, "id": id, "platform": "slack",
        "secret_ref": secret_ref})
}
