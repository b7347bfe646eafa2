//! The built-in providers as they are shipped, at the samples' addresses.

use serde_json::Value;

const BUILT_IN: &str = include_str!("../../../shared/src/providers.json");

/// The built-in entry of this slug, with a sample's scheme and authority, and its own path.
pub fn at(slug: &str, sample: &str) -> Value {
    let entries: Vec<Value> = serde_json::from_str(BUILT_IN).unwrap();
    let found = entries.into_iter().find(|entry| entry["slug"] == slug);
    let mut entry = found.unwrap_or_else(|| panic!("{slug} is not built in"));
    let address = entry["base_url"].as_str();
    let address = address.unwrap_or_else(|| panic!("{slug} has no address of its own"));
    entry["base_url"] = format!("{sample}{}", path(address)).into();
    entry
}

/// The path of an absolute URL, without a slash at its end.
fn path(address: &str) -> &str {
    let (_, rest) = address.split_once("://").unwrap();
    rest.find('/')
        .map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// The name that profiles use.
pub fn id(entry: &Value) -> &str {
    let id = entry.get("provider_id").unwrap_or(&entry["slug"]);
    id.as_str().unwrap()
}

/// Where the credential of a profile of this type goes.
pub fn shape<'a>(entry: &'a Value, auth_type: &str) -> &'a Value {
    match entry.get("oauth_auth") {
        Some(shape) if auth_type == "oauth" => shape,
        _ => &entry["auth"],
    }
}
