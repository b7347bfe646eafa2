//! What is read, and from where.

use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use postern::config::Env;
use postern::provider::Providers;

pub(super) const ONE: &str = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";
pub(super) const TWO: &str = "postern_secret_2b4e28ba-2fa1-41d2-883f-0016d3cca427";
const OWN: &str = r#"[
    {"slug":"query","base_url":"https://q","auth":{"query":"key"}},
    {"slug":"header","base_url":"https://q","auth":{"header":"private-token"}},
    {"slug":"scheme","base_url":"https://q","auth":{"header":"x-auth","scheme":"Token"},"oauth_auth":{"header":"authorization","scheme":"Bot"}},
    {"slug":"pager","base_url":"https://q","auth":{"header":"authorization","scheme":"Token token="}},
    {"slug":"path","base_url":"https://q","auth":{"path":"bot{secret}"}},
    {"slug":"form","base_url":"https://q","auth":{"header":"authorization","scheme":"Bearer"},"form":"token"},
    {"slug":"aws","base_url":"https://q","auth":{"aws_sigv4":{}}}
]"#;

pub(super) fn incoming(headers: &[(&str, &str)], rest: &str, query: &str, body: &str) -> Incoming {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    Incoming {
        method: http::Method::GET,
        path: format!("/api/proxy/p/{rest}"),
        query: query.into(),
        headers: map,
        body: bytes::Bytes::from(body.to_owned()),
        source: None,
        front: None,
    }
}

pub(super) fn providers() -> Providers {
    Providers::from_env(&Env::from_pairs([("PROVIDERS", OWN)])).unwrap()
}

pub(super) fn collect(slug: &str, incoming: &Incoming) -> Result<Credentials, Code> {
    let rest = incoming.path.strip_prefix("/api/proxy/p/").unwrap();
    let providers = providers();
    let present = |credentials: Credentials| {
        if credentials.are_missing() {
            return Err(Error::from(Code::MissingCredentials));
        }
        Ok(credentials)
    };
    let collected = Credentials::collect(incoming, rest, providers.get(slug)).and_then(present);
    // A provider that is known late is judged late, and in the same way.
    let late = Credentials::collect(incoming, rest, None).and_then(|credentials| {
        providers
            .get(slug)
            .map_or(Ok(()), |own| credentials.check_places(own))?;
        present(credentials)
    });
    let code = |result: &Result<Credentials, Error>| {
        let result = result.as_ref();
        result
            .map(|own| own.placeholders.clone())
            .map_err(|error| error.code)
    };
    if !incoming.is(FORM) {
        assert_eq!(code(&collected), code(&late), "{slug}");
    }
    collected.map_err(|error| error.code)
}

pub(super) fn found(slug: &str, headers: &[(&str, &str)]) -> Result<usize, Code> {
    let incoming = incoming(headers, "x", "", "");
    collect(slug, &incoming).map(|credentials| credentials.placeholders.len())
}

pub(super) fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[test]
fn a_placeholder_is_found_in_each_place_of_every_provider() {
    let (bearer, token) = (format!("bEARER sk-ant-oat01-{ONE}"), format!("TOKEN {ONE}"));
    let (user, password) = (basic(&format!("{ONE}:")), basic(&format!("me:{ONE}")));
    let unpadded = password.trim_end_matches('=').to_owned();
    for headers in [
        ("authorization", bearer.as_str()),
        ("authorization", &token),
        ("authorization", ONE),
        ("authorization", &user),
        ("authorization", &password),
        ("authorization", &unpadded),
        ("x-api-key", ONE),
        ("x-goog-api-key", ONE),
        ("api-key", ONE),
    ] {
        assert_eq!(found("query", &[headers]), Ok(1), "{headers:?}");
    }
}

#[test]
fn a_placeholder_is_found_in_a_providers_own_places_and_in_no_others() {
    assert_eq!(found("header", &[("private-token", ONE)]), Ok(1));
    assert_eq!(
        found("query", &[("private-token", ONE)]),
        Err(Code::PlaceholderMisplaced)
    );
    let query = |slug, query: &str| {
        let incoming = incoming(&[], "x", query, "");
        collect(slug, &incoming).map(|credentials| credentials.placeholders.len())
    };
    assert_eq!(query("query", &format!("a=1&%6bey={ONE}")), Ok(1));
    assert_eq!(
        query("header", &format!("key={ONE}")),
        Err(Code::PlaceholderMisplaced)
    );
    assert_eq!(
        query("query", &format!("other={ONE}")),
        Err(Code::PlaceholderMisplaced)
    );
    assert_eq!(
        query("query", &format!("{ONE}=1")),
        Err(Code::PlaceholderMisplaced)
    );
}

#[test]
fn a_placeholder_may_stand_behind_the_providers_own_scheme() {
    for (slug, name, value, expected) in [
        ("scheme", "x-auth", format!("Token {ONE}"), Ok(1)),
        ("scheme", "x-auth", format!("token {ONE}"), Ok(1)),
        ("scheme", "x-auth", ONE.into(), Ok(1)),
        ("scheme", "authorization", format!("Bot {ONE}"), Ok(1)),
        (
            "pager",
            "authorization",
            format!("Token token={ONE}"),
            Ok(1),
        ),
        (
            "scheme",
            "x-auth",
            format!("Other {ONE}"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "scheme",
            "x-auth",
            format!("Token {ONE} x"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "authorization",
            format!("Bot {ONE}"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "authorization",
            format!("Bearer Bearer {ONE}"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "authorization",
            format!("Basic {ONE}"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "authorization",
            basic(&format!("Bearer {ONE}")),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "authorization",
            basic(&format!("{ONE}x:")),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "x-api-key",
            format!("Bearer {ONE}"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "x-api-key",
            format!("{ONE}x"),
            Err(Code::PlaceholderMisplaced),
        ),
        (
            "query",
            "x-api-key",
            format!("{ONE},{TWO}"),
            Err(Code::PlaceholderMisplaced),
        ),
    ] {
        assert_eq!(
            found(slug, &[(name, &value)]),
            expected,
            "{slug} {name}: {value}"
        );
    }
}

#[test]
fn the_path_holds_a_placeholder_in_its_first_segment_alone() {
    let path = |slug, rest: &str| {
        let incoming = incoming(&[], rest, "", "");
        collect(slug, &incoming).map(|credentials| credentials.placeholders.len())
    };
    assert_eq!(path("path", &format!("bot{ONE}/getMe")), Ok(1));
    assert_eq!(path("path", &format!("bot123%3A{ONE}/getMe")), Ok(1));
    for rest in [
        format!("{ONE}/x"),
        format!("bot{ONE}x/y"),
        format!("x/bot{ONE}"),
        format!("bot{ONE}/{ONE}"),
    ] {
        assert_eq!(
            path("path", &rest),
            Err(Code::PlaceholderMisplaced),
            "{rest}"
        );
    }
    assert_eq!(
        path("query", &format!("bot{ONE}/getMe")),
        Err(Code::PlaceholderMisplaced)
    );
    // The provider's path cannot be made without one.
    assert_eq!(
        found("path", &[("authorization", ONE)]),
        Err(Code::MissingCredentials)
    );
}

#[test]
fn a_form_field_holds_a_placeholder_where_the_provider_has_one() {
    let form = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    let count = |slug, body: &str| {
        let incoming = incoming(&form, "x", "", body);
        collect(slug, &incoming).map(|credentials| credentials.placeholders.len())
    };
    let body = format!("a=1&token={ONE}&b=postern_secret_x");
    assert_eq!(count("form", &body), Ok(1));
    assert_eq!(count("query", &body), Err(Code::MissingCredentials));
    assert_eq!(
        count("form", &format!("token=x{ONE}y")),
        Err(Code::PlaceholderMisplaced)
    );
    let providers = providers();
    for (body, kept) in [
        (body.as_str(), "a=1&b=postern_secret_x"),
        ("t%6Fken=junk&a=b", "a=b"),
        ("a=b", "a=b"),
    ] {
        let incoming = incoming(&form, "x", "", body);
        let own = without_form_credential(&incoming, providers.get("form").unwrap());
        assert_eq!(own, kept.as_bytes());
        let other = without_form_credential(&incoming, providers.get("query").unwrap());
        assert_eq!(other, body.as_bytes());
    }
}

#[test]
fn a_signature_names_its_placeholder_and_its_scope() {
    let signed = |scope: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={ONE}/{scope}, SignedHeaders=host;x-amz-date, Signature=00"
        )
    };
    let header = signed("20261125/eu-central-1/bedrock/aws4_request");
    let incoming = incoming(&[("authorization", &header)], "x", "", "");
    let credentials = collect("aws", &incoming).unwrap();
    let scope = credentials.of_client().scope.unwrap();
    assert_eq!(scope.region.as_deref(), Some("eu-central-1"));
    assert_eq!(scope.service.as_deref(), Some("bedrock"));
    assert_eq!(
        found("query", &[("authorization", &header)]),
        Err(Code::PlaceholderMisplaced)
    );
    for odd in [
        "20261125/eu/bedrock",
        "2026/eu/bedrock/aws4_request",
        "20261125/e u/bedrock/aws4_request",
        "20261125/eu/be%2Fdrock/aws4_request",
        "20261125//bedrock/aws4_request",
        "20261125/eu/bedrock/aws4_request/x",
    ] {
        let refused = found("aws", &[("authorization", &signed(odd))]);
        assert_eq!(refused, Err(Code::InvalidRequest), "{odd}");
    }
    let foreign = header.replace(ONE, "AKIAFOREIGN");
    assert_eq!(
        found("aws", &[("authorization", &foreign)]),
        Err(Code::MissingCredentials)
    );
}

#[test]
fn the_user_name_beside_a_placeholder_is_kept_and_a_placeholder_never_is() {
    let username = |text: &str| {
        let incoming = incoming(&[("authorization", &basic(text))], "x", "", "");
        let credentials = collect("query", &incoming).unwrap();
        credentials.of_client().username.map(ToOwned::to_owned)
    };
    assert_eq!(
        username(&format!("me@example.com:{ONE}")).as_deref(),
        Some("me@example.com")
    );
    assert_eq!(username(&format!(":{ONE}")), None);
    assert_eq!(username(&format!("{ONE}:")), None);
    assert_eq!(username(&format!("{ONE}:{TWO}")), None);
}

#[test]
fn every_presented_placeholder_counts_and_the_same_one_counts_once() {
    let bearer = format!("Bearer {ONE}");
    assert_eq!(
        found("query", &[("authorization", &bearer), ("x-api-key", TWO)]),
        Ok(2)
    );
    assert_eq!(
        found("query", &[("authorization", &bearer), ("x-api-key", ONE)]),
        Ok(1)
    );
    assert_eq!(
        found(
            "query",
            &[("authorization", &basic(&format!("{ONE}:{TWO}")))]
        ),
        Ok(2)
    );
    assert_eq!(
        found(
            "query",
            &[("authorization", &bearer), ("authorization", TWO)]
        ),
        Ok(2)
    );
}
