//! What is looked for in a request that a provider saw.

use base64::{Engine, engine::general_purpose::STANDARD};
use postern_stack::Seen;
use serde_json::Value;

const PLACEHOLDER: &[u8] = b"postern_secret_";

/// Whether a placeholder stands anywhere: in the path, a header or the body, also in HTTP Basic's base64.
pub fn holds_a_placeholder(request: &Seen) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(PLACEHOLDER.len()).any(|at| at == PLACEHOLDER);
    let in_headers = request
        .headers
        .iter()
        .any(|(name, value)| holds(name.as_str().as_bytes()) || holds(value.as_bytes()));
    let in_basic = basic(request)
        .is_some_and(|(user, password)| holds(user.as_bytes()) || holds(password.as_bytes()));
    holds(request.path_and_query.as_bytes()) || in_headers || in_basic || holds(&request.body)
}

/// Whether the credential stands where a provider's entry says.
pub fn credential_stands(request: &Seen, shape: &Value, secret: &str) -> bool {
    let named = |name: &str| shape[name].as_str();
    if let Some(name) = named("header") {
        let value = header(request, name);
        return match named("scheme") {
            Some(scheme) => value == Some(&format!("{scheme} {secret}")),
            None => value == Some(secret),
        };
    }
    if let Some(name) = named("query") {
        return query(request, name).as_deref() == Some(secret);
    }
    match (named("basic"), basic(request)) {
        (Some("username"), Some(sent)) => return sent == (secret.to_owned(), String::new()),
        (Some(_), Some((_, password))) => return password == secret,
        (Some(_), None) => return false,
        (None, _) => {}
    }
    if let Some(form) = named("path") {
        let segment = form.replace("{secret}", secret);
        let mut segments = request.path_and_query.split(['/', '?']);
        return segments.any(|sent| sent == segment);
    }
    let keys: Value = serde_json::from_str(secret).unwrap_or_default();
    if let Some(headers) = shape["headers"].as_array() {
        return headers.iter().all(|one| {
            let key = keys[one["json_key"].as_str().unwrap()].as_str();
            key.is_some() && header(request, one["header"].as_str().unwrap()) == key
        });
    }
    if shape.get("aws_sigv4").is_some() {
        // The sample has verified the signature.
        let id = keys["access_key_id"].as_str().unwrap();
        let begins = format!("AWS4-HMAC-SHA256 Credential={id}/");
        return header(request, "authorization").is_some_and(|value| value.starts_with(&begins));
    }
    panic!("the test does not know this shape: {shape}")
}

fn header<'a>(request: &'a Seen, name: &str) -> Option<&'a str> {
    let mut values = request.headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    // Of two values nobody could say which one counts.
    value.filter(|_| values.next().is_none())
}

fn query(request: &Seen, name: &str) -> Option<String> {
    let (_, query) = request.path_and_query.split_once('?')?;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(postern_stack::event::decode(value))
}

/// The user name and the password of HTTP Basic.
fn basic(request: &Seen) -> Option<(String, String)> {
    let value = header(request, "authorization")?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let (user, password) = String::from_utf8(decoded)
        .ok()?
        .split_once(':')
        .map(|(user, password)| (user.to_owned(), password.to_owned()))?;
    Some((user, password))
}
