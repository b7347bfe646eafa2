//! Where providers take keys, and which addresses are theirs.

use super::*;
use serde_json::json;

fn provider(base_url: &str, shape: Value) -> Provider {
    let slug = Slug::parse("p").unwrap();
    let shape = serde_json::from_value(shape).unwrap();
    Provider::new(slug.clone(), slug.into(), base_url, &shape).unwrap()
}

#[test]
fn a_key_is_read_from_the_providers_own_places_and_from_common_ones() {
    let gitlab = provider(
        "https://g.example",
        json!({"auth": {"header": "private-token"}, "oauth_auth": {"header": "x-oauth", "scheme": "Token"}}),
    );
    let takes = |header: &'static str| gitlab.takes_key_in(&HeaderName::from_static(header));
    for header in [
        "private-token",
        "x-oauth",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "authorization",
    ] {
        assert!(takes(header), "{header}");
    }
    assert!(!takes("x-other"));
    let x_oauth = HeaderName::from_static("x-oauth");
    assert_eq!(gitlab.schemes_in(&x_oauth).collect::<Vec<_>>(), ["Token"]);
    assert_eq!(
        gitlab.places(),
        "`authorization` (alone, after Bearer or token, or in Basic), `x-api-key`, `x-goog-api-key`, `api-key`, \
         `private-token`, `x-oauth`"
    );
    let telegram = provider(
        "https://t.example",
        json!({"auth": {"path": "bot{secret}"}, "options": {"form": "token"}}),
    );
    assert!(
        telegram
            .places()
            .ends_with("the path's first segment, as bot<placeholder>, the form field `token`")
    );
}

#[test]
fn googles_key_may_stand_in_the_query_as_well() {
    let google = provider(
        "https://g.example",
        json!({"auth": {"header": "x-goog-api-key"}}),
    );
    assert!(google.takes_key_in_query("key") && !google.takes_key_in_query("Key"));
    assert_eq!(google.key_query(), Some("key"));
    assert!(google.places().ends_with("the query parameter `key`"));
    let other = provider(
        "https://o.example",
        json!({"auth": {"header": "x-api-key"}}),
    );
    assert!(!other.takes_key_in_query("key") && other.key_query().is_none());
}

#[test]
fn an_address_below_the_base_url_is_told_from_every_other() {
    let own = provider("https://API.example/v1", json!({"auth": {"query": "key"}}));
    for (address, below) in [
        ("https://api.example/v1/x?page=2", Some("/x?page=2")),
        ("https://api.example:443/v1", Some("")),
        ("HTTPS://API.EXAMPLE./v1?x#y", Some("?x#y")),
        ("https://api.example/v1#y", Some("#y")),
        ("/v1/x", None),
        ("https://api.example:99999/v1/x", None),
        ("https://api.example:x/v1/x", None),
        ("https://api.example/v1/../x", None),
        ("https://api.example/v1/%2e%2E/x", None),
        ("https://api.example/v1/x/.", None),
        ("//api.example/v1/x", None),
        ("x", None),
        ("", None),
        ("https://api.example/v10/x", None),
        ("https://api.example/", None),
        ("http://api.example/v1/x", None),
        ("https://api.example:8443/v1/x", None),
        ("https://api.example.evil/v1/x", None),
        ("https://api.example@evil.example/v1/x", None),
        ("https://evil@api.example/v1/x", None),
    ] {
        assert_eq!(own.below(address), below, "{address}");
    }
    let root = provider("https://api.example", json!({"auth": {"query": "key"}}));
    assert_eq!(root.below("https://api.example"), Some(""));
    assert_eq!(root.below("https://api.example/x"), Some("/x"));
    assert_eq!(root.below("//evil.example/x"), None);
}

#[test]
fn a_row_is_read_or_says_what_is_wrong() {
    let row = |base_url: &str, auth: Value, options: Value| {
        let row = json!({"slug": "p", "provider_id": "q", "base_url": base_url, "host": "a.example", "auth": auth,
            "oauth_auth": null, "options": options});
        serde_json::from_value::<ProviderRow>(row).unwrap().read()
    };
    let auth = json!({"query": "key"});
    let read = row("https://a.example", auth.clone(), json!({"bad_key": [400]})).unwrap();
    assert!(
        read.says_bad_key(StatusCode::BAD_REQUEST) && !read.says_bad_key(StatusCode::UNAUTHORIZED)
    );
    for faulty in [
        row("https://u@a.example", auth.clone(), json!({})),
        row("https://b.example", auth.clone(), json!({})),
        row("https://a.example", json!({}), json!({})),
        row("https://a.example", json!([]), json!({})),
        row("https://a.example", auth.clone(), json!({"typo": 1})),
        row("https://a.example", auth, json!(null)),
    ] {
        assert!(faulty.is_err());
    }
}
