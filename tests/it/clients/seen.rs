//! What is looked for in a request that a provider saw.

use base64::{Engine, engine::general_purpose::STANDARD};
use postern_stack::Seen;
use serde_json::Value;

/// What must never leave: placeholders, and the credentials of the clients' own that the suites send beside them.
const OURS: [&[u8]; 2] = [b"postern_secret_", b"of-the-clients-own"];

/// Whether one of these stands anywhere: in the path, a header or the body, also in HTTP Basic's base64.
pub fn holds_what_is_ours(request: &Seen) -> bool {
    let holds = |bytes: &[u8]| {
        let one = |ours: &[u8]| bytes.windows(ours.len()).any(|at| at == ours);
        OURS.into_iter().any(one)
    };
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
            // As `Token token=`.
            Some(scheme) if scheme.ends_with('=') => value == Some(&format!("{scheme}{secret}")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use serde_json::json;

    fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let headers = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            )
        });
        Seen {
            method: "POST".into(),
            path_and_query: path.into(),
            headers: headers.collect::<HeaderMap>(),
            body: body.to_owned().into(),
        }
    }

    fn basic_of(login: &str) -> String {
        format!("Basic {}", STANDARD.encode(login))
    }

    #[test]
    fn a_placeholder_is_found_wherever_it_stands() {
        let user = basic_of("postern_secret_1:x");
        let password = basic_of("x:postern_secret_1");
        for request in [
            request("/postern_secret_1", &[], ""),
            request("/?key=postern_secret_1", &[], ""),
            request("/", &[("x-any", "a postern_secret_1")], ""),
            request("/", &[("authorization", &user)], ""),
            request("/", &[("authorization", &password)], ""),
            request("/", &[], "token=postern_secret_1"),
            request("/", &[("x-any", "a login of-the-clients-own")], ""),
        ] {
            assert!(holds_what_is_ours(&request), "{request:?}");
        }
        let clean = request("/?key=k", &[("authorization", &basic_of("x:k"))], "{}");
        assert!(!holds_what_is_ours(&clean));
    }

    #[test]
    fn a_credential_counts_in_its_own_place_alone() {
        let json = r#"{"a": "1", "b": "2", "access_key_id": "AKID"}"#;
        let (user, password) = (basic_of("k:"), basic_of("x:k"));
        let signature = "AWS4-HMAC-SHA256 Credential=AKID/20260101/r/s/aws4_request, SignedHeaders=host, Signature=0";
        let bearer = ("authorization", "Bearer k");
        let all = [
            (
                json!({"header": "authorization", "scheme": "Bearer"}),
                "k",
                request("/", &[bearer], ""),
            ),
            (
                json!({"header": "authorization"}),
                "k",
                request("/", &[("authorization", "k")], ""),
            ),
            (
                json!({"header": "x-key", "scheme": "token="}),
                "k",
                request("/", &[("x-key", "token=k")], ""),
            ),
            (
                json!({"query": "key"}),
                "k",
                request("/?a=b&key=k", &[], ""),
            ),
            (
                json!({"basic": "username"}),
                "k",
                request("/", &[("authorization", &user)], ""),
            ),
            (
                json!({"basic": "password"}),
                "k",
                request("/", &[("authorization", &password)], ""),
            ),
            (
                json!({"path": "bot{secret}"}),
                "k",
                request("/botk/getMe", &[], ""),
            ),
            (
                json!({"headers": [{"header": "x-a", "json_key": "a"}, {"header": "x-b", "json_key": "b"}]}),
                json,
                request("/", &[("x-a", "1"), ("x-b", "2")], ""),
            ),
            (
                json!({"aws_sigv4": {}}),
                json,
                request("/", &[("authorization", signature)], ""),
            ),
        ];
        for (shape, secret, own) in &all {
            for (other, _, request) in &all {
                let stands = credential_stands(request, shape, secret);
                assert_eq!(stands, shape == other, "{shape} {request:?} {own:?}");
            }
        }
        let twice = request("/", &[bearer, bearer], "");
        assert!(!credential_stands(&twice, &all[0].0, "k"));
    }
}
