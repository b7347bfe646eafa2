//! The request to the provider. It is built from the parts that may leave, so nothing of ours slips through.

use crate::call::Call;
use crate::redact::{Injected, RangeRequest};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use postern::Error;
use postern::provider::{AuthType, OfClient, Provider, Signer};
use postern::wire::headers::{HOP_BY_HOP, stays_here};
use secrecy::SecretString;

/// The first name of `range`, which some servers still accept.
const REQUEST_RANGE: HeaderName = HeaderName::from_static("request-range");

/// Removes hop-by-hop headers.
pub(crate) fn without_hop_by_hop(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The headers that `connection` names.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// Whether a header is not forwarded.
fn is_dropped(name: &HeaderName, provider: &Provider) -> bool {
    [
        COOKIE,
        CONTENT_LENGTH,
        EXPECT,
        ACCEPT_ENCODING,
        REQUEST_RANGE,
    ]
    .contains(name)
        || provider.takes_key_in(name)
        || stays_here(name)
}

/// What the response needs to know about the request.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The forms of the secret that the answer must not hold.
    pub injected: Injected,
    /// The part of the body that the client wants.
    pub asked: Option<RangeRequest>,
}

/// The request as the provider gets it, with the real credential.
///
/// # Errors
/// `invalid_path` where the address is invalid; `secret_unavailable` where the secret does not have the form that the
/// provider needs; `invalid_request` where the client's signature cannot be replaced.
pub(crate) fn build(
    call: &Call<'_>,
    client: &OfClient<'_>,
    secret: &SecretString,
    auth_type: AuthType,
) -> Result<(Request<Full<Bytes>>, Sent), Error> {
    let mut headers = call.incoming.headers.clone();
    without_hop_by_hop(&mut headers);
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_dropped(name, call.provider))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
    // The secret could not be found in an encoded body.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let auth = call.provider.auth(auth_type);
    auth.add_constants(&mut headers);
    let injection = auth.inject(secret, client)?;
    if injection.signer.is_none() && call.provider.takes_signatures() {
        Signer::forget(&mut headers);
    }
    headers.extend(injection.headers);
    let injected = Injected::new(injection.texts);
    let asked = ask_for_part(&mut headers, &injected);
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = call.incoming.method.clone();
    *request.uri_mut() = call.address(injection.segment.as_deref(), injection.pair.as_deref())?;
    *request.headers_mut() = headers;
    if let Some(signer) = injection.signer {
        signer.sign(&mut request, &call.body)?;
    }
    Ok((request, Sent { injected, asked }))
}

/// Widens the range that the client asks for. Where it asks for several, asks for the whole.
fn ask_for_part(headers: &mut HeaderMap, injected: &Injected) -> Option<RangeRequest> {
    let asked = RangeRequest::new(headers, injected);
    headers.remove(RANGE);
    match &asked {
        Some(asked) => {
            headers.insert(RANGE, asked.widened());
        }
        None => {
            headers.remove(IF_RANGE);
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::config::Env;
    use postern::provider::Providers;
    use postern::wire::event::Incoming;

    const PROVIDERS: &str = r#"[
        {"slug":"h","provider_id":"h","base_url":"https://up.example/base/","auth":{"header":"x-api-key"}},
        {"slug":"g","provider_id":"g","base_url":"https://up.example","auth":{"header":"private-token"},
            "oauth_auth":{"header":"authorization","scheme":"Bearer"}},
        {"slug":"q","provider_id":"q","base_url":"https://up.example","auth":{"query":"key"}},
        {"slug":"b","provider_id":"b","base_url":"https://up.example","auth":{"aws_sigv4":{}},
            "oauth_auth":{"header":"authorization","scheme":"Bearer"}}
    ]"#;

    fn built(
        slug: &str,
        rest: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Request<Full<Bytes>> {
        built_as(AuthType::ApiKey, slug, rest, query, headers)
    }

    fn built_as(
        auth_type: AuthType,
        slug: &str,
        rest: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Request<Full<Bytes>> {
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", PROVIDERS)])).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let incoming = Incoming {
            method: http::Method::POST,
            path: String::new(),
            query: query.into(),
            headers: map,
            body: Bytes::from_static(b"\0\xff"),
            source: None,
            front: None,
        };
        let call = Call::new(&incoming, rest, providers.get(slug).unwrap()).unwrap();
        let (request, _) =
            build(&call, &OfClient::default(), &"real/key".into(), auth_type).unwrap();
        request
    }

    #[test]
    fn rest_and_query_are_passed_byte_for_byte_and_stay_on_the_host() {
        for rest in [
            "v1/x",
            "../../x",
            "%2e%2e/%2F",
            "/evil.example/x",
            "@evil.example/",
            "a//b",
            "\\evil",
        ] {
            let request = built("h", rest, "a=%20&a=2&b", &[]);
            assert_eq!(
                request.uri().to_string(),
                format!("https://up.example/base/{rest}?a=%20&a=2&b")
            );
            assert_eq!(request.uri().host(), Some("up.example"));
        }
        assert_eq!(
            built("h", "a b#c?d", "", &[]).uri().path(),
            "/base/a%20b%23c%3Fd"
        );
    }

    #[test]
    fn the_placeholder_in_a_providers_own_header_is_replaced_and_never_forwarded() {
        let built = |auth_type| {
            let request = built_as(auth_type, "g", "x", "", &[("private-token", "p")]);
            let value = |name| request.headers().get(name).cloned();
            [value("private-token"), value("authorization")]
        };
        let key = |value| Some(HeaderValue::from_static(value));
        assert_eq!(built(AuthType::ApiKey), [key("real/key"), None]);
        assert_eq!(built(AuthType::OAuth), [None, key("Bearer real/key")]);
    }

    #[test]
    fn a_clients_signature_goes_with_all_its_headers() {
        let sent = [
            ("authorization", "AWS4-HMAC-SHA256 Credential=p"),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amz-security-token", "session"),
            ("x-amz-other", "1"),
        ];
        let request = built_as(AuthType::OAuth, "b", "x", "", &sent);
        let left: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-amz-other", "accept-encoding", "authorization"]);
        assert_eq!(request.headers()["authorization"], "Bearer real/key");
    }

    #[test]
    fn only_what_is_the_providers_is_forwarded() {
        let request = built(
            "h",
            "x",
            "",
            &[
                ("host", "postern"),
                ("authorization", "Bearer p"),
                ("x-api-key", "p"),
                ("x-goog-api-key", "p"),
                ("cookie", "c"),
                ("x-postern-worker-token", "t"),
                ("x-amzn-trace-id", "t"),
                ("x-forwarded-for", "f"),
                ("forwarded", "f"),
                ("via", "v"),
                ("connection", "keep-alive, X-Hop"),
                ("x-hop", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("content-length", "99"),
                ("upgrade", "h2c"),
                ("accept-encoding", "gzip"),
                ("content-type", "application/json"),
                ("x-many", "1"),
                ("x-many", "2"),
                ("anthropic-version", "v"),
            ],
        );
        let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept-encoding",
                "anthropic-version",
                "content-type",
                "x-api-key",
                "x-many"
            ]
        );
        assert_eq!(request.headers()["x-api-key"], "real/key");
        assert_eq!(request.headers()["accept-encoding"], "identity");
        assert_eq!(request.headers().get_all("x-many").iter().count(), 2);
    }

    #[test]
    fn a_part_is_asked_for_with_what_tells_whether_the_secret_is_in_it() {
        // `real/key` is longest as `real%2Fkey`, or as `real&#x2F;key`.
        let range = |ranges: &[&str]| {
            let mut headers: Vec<_> = ranges.iter().map(|range| ("range", *range)).collect();
            headers.extend([("if-range", "\"tag\""), ("request-range", "bytes=0-1,4-5")]);
            let request = built("h", "x", "", &headers);
            assert!(!request.headers().contains_key("request-range"));
            let text = |name| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
            assert_eq!(text("range").is_some(), text("if-range").is_some());
            text("range")
        };
        assert_eq!(range(&["bytes=100-199"]).unwrap(), "bytes=88-211");
        assert_eq!(range(&["bytes=0-1,4-5"]), None);
        assert_eq!(range(&["bytes=0-1", "bytes=4-5"]), None);
        assert_eq!(range(&[]), None);
    }

    #[test]
    fn a_query_credential_takes_the_placeholders_place() {
        let request = built(
            "q",
            "x",
            "a=1&k%65y=postern_secret_x&b=2",
            &[("x-api-key", "p")],
        );
        assert_eq!(request.uri().query(), Some("a=1&b=2&key=real%2Fkey"));
        assert!(!request.headers().contains_key("x-api-key"));
    }
}
