//! The headers that belong to one connection, or to what stands in front of the functions.

use http::HeaderName;

/// RFC 9110 section 7.6.1, and what proxies in the field add to it.
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What Lambda's front and other proxies add, and what is Postern's own. A provider's own `x-amzn-` headers, such as
/// Bedrock's, are none of these.
const OF_THE_FRONT: [&str; 5] = [
    "forwarded",
    "host",
    "via",
    "x-amzn-requestid",
    "x-amzn-trace-id",
];
const PREFIXES: [&str; 5] = [
    "x-postern-",
    "x-forwarded-",
    "x-amzn-lambda-",
    "x-amzn-remapped-",
    "x-amzn-tls-",
];

/// What a client says about the body or about the answer that it wants, which Postern says itself.
const OF_THE_MESSAGE: [&str; 6] = [
    "accept-encoding",
    "content-length",
    "expect",
    "if-range",
    "range",
    "request-range",
];

/// Headers by which some servers read another method.
pub const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Headers by which some servers read another path.
pub const PATH_OVERRIDES: [&str; 4] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-envoy-original-path",
];

/// Whether a header says something about the connection, the front or Postern, and so never goes to a provider.
pub fn stays_here(name: &HeaderName) -> bool {
    let name = name.as_str();
    OF_THE_FRONT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a header can carry a provider's credential or constant: it is neither hop-by-hop nor one that Postern
/// writes or drops itself, and it changes nothing that a policy decides on.
pub fn is_free(name: &HeaderName) -> bool {
    let cookie = matches!(name.as_str(), "cookie" | "set-cookie");
    let own = HOP_BY_HOP.contains(&name.as_str()) || OF_THE_MESSAGE.contains(&name.as_str());
    let overrides = METHOD_OVERRIDES.iter().chain(&PATH_OVERRIDES);
    let overrides = overrides.into_iter().any(|own| name == own);
    !(cookie || own || overrides || stays_here(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_header_is_told_from_the_fronts() {
        for (name, stays, free) in [
            ("host", true, false),
            ("x-amzn-trace-id", true, false),
            ("x-amzn-tls-version", true, false),
            ("x-amzn-remapped-authorization", true, false),
            ("x-amzn-bedrock-guardrail", false, true),
            ("x-forwarded-for", true, false),
            ("x-postern-worker-token", true, false),
            ("connection", false, false),
            ("cookie", false, false),
            ("range", false, false),
            ("x-http-method-override", false, false),
            ("x-original-url", false, false),
            ("authorization", false, true),
            ("private-token", false, true),
        ] {
            let name = HeaderName::from_static(name);
            assert_eq!((stays_here(&name), is_free(&name)), (stays, free), "{name}");
        }
    }
}
