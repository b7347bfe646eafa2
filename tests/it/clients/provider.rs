//! The built-in providers as they are shipped, at the samples' addresses.

use serde_json::Value;

const BUILT_IN: &str = include_str!("../../../shared/src/providers.json");

/// The built-in entry of this slug, with a sample's scheme and authority, and its own path.
pub fn at(slug: &str, sample: &str) -> Value {
    let mut entry = built_in(slug);
    // A template has no address of its own.
    let path = entry["base_url"].as_str().map_or("", path).to_owned();
    entry["base_url"] = format!("{sample}{path}").into();
    entry
}

fn built_in(slug: &str) -> Value {
    let entries: Vec<Value> = serde_json::from_str(BUILT_IN).unwrap();
    let found = entries.into_iter().find_map(|entry| of_slug(entry, slug));
    found.unwrap_or_else(|| panic!("{slug} is not built in"))
}

/// The entry if it is this slug's, in the slug's region if it stands for several.
fn of_slug(mut entry: Value, slug: &str) -> Option<Value> {
    if entry["slug"] == slug {
        return Some(entry);
    }
    let regions = entry.as_object_mut()?.remove("regions")?;
    let name = entry["slug"].as_str()?.to_owned();
    let mut regions = regions.as_array()?.iter().filter_map(Value::as_str);
    let region = regions.find(|region| name.replace("{region}", region) == slug)?;
    serde_json::from_str(&entry.to_string().replace("{region}", region)).ok()
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
