//! What counts for nothing, what is refused, and what a refusal says.

use super::tests::{ONE, TWO, basic, collect, found, incoming, providers};
use super::*;
use base64::Engine;

#[test]
fn what_is_no_credential_of_ours_counts_for_nothing() {
    let foreign = "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.c";
    for junk in [
        ("authorization", "Bearer sk-live"),
        ("authorization", "Basic eA=="),
        ("authorization", "Basic not base64"),
        ("authorization", "Basic"),
        ("authorization", ""),
        ("authorization", foreign),
        ("x-api-key", "junk"),
    ] {
        assert_eq!(
            found("query", &[junk]),
            Err(Code::MissingCredentials),
            "{junk:?}"
        );
        let beside = [junk, ("x-goog-api-key", ONE)];
        assert_eq!(found("query", &beside), Ok(1), "{junk:?}");
    }
    assert_eq!(found("query", &[]), Err(Code::MissingCredentials));
}

#[test]
fn two_worker_tokens_are_one_too_many() {
    let token = |subject: &str| {
        let claims = format!(r#"{{"iss":"postern","sub":"{subject}"}}"#);
        format!(
            "e30.{}.c",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims)
        )
    };
    let bearer = format!("Bearer {}", token("a"));
    let two = [
        ("x-postern-worker-token", "a.b.c"),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(found("query", &two), Err(Code::UnexpectedCredential));
    let same = token("a");
    assert_eq!(
        found(
            "query",
            &[
                ("x-postern-worker-token", &same),
                ("authorization", &bearer)
            ]
        ),
        Ok(0)
    );
}

#[test]
fn the_refusal_says_where_a_placeholder_stood_and_where_it_belongs() {
    let providers = providers();
    let incoming = incoming(&[("x-other", ONE)], "x", "", "");
    let refused = Credentials::collect(&incoming, "x", providers.get("query")).unwrap_err();
    for said in [
        "the header `x-other`",
        "`authorization`",
        "the query parameter `key`",
    ] {
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    assert!(!refused.message().contains("postern_secret_"));
}

#[test]
fn a_refusal_quotes_nothing_that_may_be_a_secret() {
    let providers = providers();
    let long = "n".repeat(5000);
    let form = "application/x-www-form-urlencoded";
    for (headers, query, body) in [
        (
            vec![("authorization", format!("Bearer sk-REAL {ONE}"))],
            String::new(),
            String::new(),
        ),
        (
            vec![("authorization", format!("Bearer sk-REAL,Bearer {ONE}"))],
            String::new(),
            String::new(),
        ),
        (
            vec![("cookie", format!("session=sk-REAL; k={ONE}"))],
            String::new(),
            String::new(),
        ),
        (
            vec![("x-other", format!("sk-REAL {ONE}"))],
            String::new(),
            String::new(),
        ),
        (vec![(ONE, ONE.into())], String::new(), String::new()),
        (vec![(ONE, "x".into())], String::new(), String::new()),
        (vec![], format!("{ONE}={ONE}"), String::new()),
        (vec![], format!("{long}={ONE}"), String::new()),
        (
            vec![("content-type", form.into())],
            String::new(),
            format!("{ONE}={ONE}"),
        ),
        (
            vec![("content-type", form.into())],
            String::new(),
            format!("{long}={ONE}"),
        ),
    ] {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let incoming = incoming(&headers, "x", &query, &body);
        for known in [providers.get("header"), None] {
            let collected = Credentials::collect(&incoming, "x", known);
            let provider = providers.get("header").unwrap();
            let Err(error) = collected.and_then(|credentials| credentials.check_places(provider))
            else {
                // A form is read where the provider has a field for it.
                assert!(known.is_some() && !body.is_empty());
                continue;
            };
            assert_eq!(error.code, Code::PlaceholderMisplaced);
            for text in [error.message(), error.logged()] {
                assert!(
                    !text.contains("sk-REAL") && !mentions(text.as_bytes()),
                    "{text}"
                );
                assert!(text.len() < 500, "{text}");
            }
        }
    }
}

#[test]
fn many_placeholders_are_too_many() {
    let one = |n: usize| format!("a=postern_secret_1b4e28ba-2fa1-41d2-883f-{n:012x}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = |count: usize| (0..count).map(one).collect::<Vec<_>>().join("&");
    let presented = |body: &str| {
        let incoming = incoming(&form, "x", "", body);
        Credentials::collect(&incoming, "x", None).map(|own| own.placeholders.len())
    };
    assert_eq!(presented(&body(8)).ok(), Some(8));
    let refused = presented(&body(50_000)).unwrap_err();
    assert_eq!(refused.code, Code::UnexpectedCredential);
    // The same one again is one.
    let again = format!("a={ONE}&").repeat(50_000);
    assert_eq!(presented(&again).ok(), Some(1));
}

#[test]
fn what_hides_in_a_signature_or_a_user_name_does_not_pass() {
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={ONE}/20261125/eu/s/aws4_request, SignedHeaders=host, Signature={TWO}"
    );
    assert_eq!(
        found("aws", &[("authorization", &signed)]),
        Err(Code::PlaceholderMisplaced)
    );
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"iss":"postern"}"#);
    let value = basic(&format!("e30.{claims}.c:{ONE}"));
    let incoming = incoming(&[("authorization", &value)], "x", "", "");
    assert_eq!(
        collect("query", &incoming).unwrap().of_client().username,
        None
    );
}
