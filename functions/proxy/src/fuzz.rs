//! Properties that hold for every request, for `fuzz/` and the stored corpus: nothing panics, and nothing is
//! forwarded that must not be.

use crate::call::Call;
use crate::credential::Credentials;
use crate::outgoing::{self, Sent};
use crate::rewrite::{ClientAddress, Rewriter};
use crate::route::Route;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use postern::Error;
use postern::authority::placeholder::{Placeholder, Presented, mentions};
use postern::config::Env;
use postern::id::Slug;
use postern::policy::{Action, Mode, Owner, Policies, PolicyRow};
use postern::provider::{AuthType, NewProvider, OfClient, Providers, WrittenShape};
use postern::wire::event::{HttpEvent, Incoming};
use postern::wire::{AllowedPrivate, headers};
use serde_json::{Map, Value, json};

/// A provider of each shape.
const PROVIDERS: &str = r#"[
    {"slug":"header","base_url":"https://up.example/base","auth":{"header":"authorization","scheme":"Bearer"}},
    {"slug":"query","base_url":"https://up.example:8443","auth":{"query":"key"}},
    {"slug":"basic","base_url":"https://up.example/base","auth":{"basic":"password"}},
    {"slug":"path","base_url":"https://up.example/base","auth":{"path":"bot{secret}"}},
    {"slug":"form","base_url":"https://up.example/base","auth":{"header":"x-key"},"form":"token"},
    {"slug":"aws","base_url":"https://up.example/base","auth":{"aws_sigv4":{}}},
    {"slug":"several","base_url":"https://up.example/base","auth":{"headers":[{"header":"x-a","json_key":"access_key_id"},
        {"header":"x-b","json_key":"secret_access_key"}]},"constants":{"x-version":"1"}}
]"#;
/// A secret that has the form that each shape needs.
const SECRET: &str = r#"{"access_key_id":"sk-real","secret_access_key":"sk-real"}"#;

/// Parses requests as the proxy does.
pub struct Fuzz {
    providers: Providers,
    /// Denies `/secret`, alone and below the base path, and allows the rest.
    policies: Policies,
}

impl Default for Fuzz {
    fn default() -> Self {
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", PROVIDERS)]));
        let deny =
            |path: &str| json!({"host": "up.example", "path_prefix": path, "action": "deny"});
        let row = PolicyRow {
            owner: Owner::Organization,
            observe: false,
            hash: [0; 32],
            rules: Some(json!([
                deny("/secret"), deny("/base/secret"), {"host": "up.example", "action": "allow"}
            ])),
        };
        Self {
            providers: providers
                .unwrap_or_else(|error| panic!("the providers above are valid: {error}")),
            policies: Policies::resolve(vec![row], &[]),
        }
    }
}

impl Fuzz {
    /// A request written as `METHOD path?query`, then a header a line, then an empty line and the body.
    ///
    /// # Panics
    /// Where a property does not hold.
    pub fn request(&self, input: &[u8]) {
        let Ok(event) = serde_json::from_value::<HttpEvent>(event(input)) else {
            return;
        };
        let Ok(incoming) = Incoming::try_from(event) else {
            return;
        };
        let Ok(Route::Proxy(path)) = Route::parse(&incoming.path) else {
            return;
        };
        assert!(incoming.path.ends_with(path.rest), "rest is the path's end");
        let Some(provider) = self.providers.get(path.slug.as_str()) else {
            return;
        };
        let known = Credentials::collect(&incoming, path.rest, Some(provider));
        let late = Credentials::collect(&incoming, path.rest, None)
            .and_then(|credentials| credentials.check_places(provider).map(|()| credentials));
        // Except that a form is searched for a field whose name is not known yet.
        if path.slug.as_str() != "form" && !incoming.is("application/x-www-form-urlencoded") {
            let found = |credentials: Result<&Credentials, &Error>| match credentials {
                Ok(own) => Ok(own.placeholders.clone()),
                Err(error) => Err(error.code),
            };
            assert_eq!(
                found(known.as_ref()),
                found(late.as_ref()),
                "a provider that is known late is judged alike"
            );
        }
        if let Ok(credentials) = known
            && !credentials.are_missing()
        {
            let Ok(call) = Call::new(&incoming, path.rest, provider) else {
                return;
            };
            self.forwarded(&call, &credentials);
            self.decided(&call, &credentials);
        }
    }

    /// However a server reads the address, a denied path stays denied.
    fn decided(&self, call: &Call<'_>, credentials: &Credentials) {
        let target = &call.target;
        let Ok((sent, _)) = build(call, credentials) else {
            return;
        };
        // The segment that holds the credential is shown without it.
        if call.provider.key_segment().is_none() {
            assert!(
                target.path().is_none_or(|path| path == sent.uri().path()),
                "a policy is asked about what is sent"
            );
        }
        let ruling = self.policies.ruling(target, Mode::Enforced);
        // Another parser's reading of the address, and its decoded form.
        let Ok(url) = url::Url::parse(&sent.uri().to_string()) else {
            return;
        };
        let decoded = percent_decode_str(url.path()).decode_utf8_lossy();
        for read in [url.path(), sent.uri().path(), &decoded] {
            for prefix in ["/secret", "/base/secret"] {
                let rest = read.strip_prefix(prefix);
                let closed = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                assert!(
                    !closed || ruling.action == &Action::Deny,
                    "{} is sent",
                    sent.uri()
                );
            }
        }
    }

    fn forwarded(&self, call: &Call<'_>, credentials: &Credentials) {
        let Ok((request, _)) = build(call, credentials) else {
            return;
        };
        let base: Uri = call.provider.base_url().parse().unwrap_or_default();
        let uri = request.uri();
        assert_eq!(
            (uri.scheme(), uri.authority()),
            (base.scheme(), base.authority()),
            "the address stays on the base URL's host"
        );
        assert!(
            uri.path().starts_with(base.path()),
            "and below its path: {uri}"
        );
        assert!(
            !mentions(uri.to_string().as_bytes()),
            "no placeholder leaves"
        );
        for (name, value) in request.headers() {
            let name = name.as_str();
            assert!(!mentions(value.as_bytes()), "no placeholder leaves: {name}");
            assert!(
                !value
                    .as_bytes()
                    .iter()
                    .any(|b| matches!(b, b'\r' | b'\n' | 0)),
                "no header begins another: {name}"
            );
            let own = [
                "cookie",
                "host",
                "connection",
                "transfer-encoding",
                "content-length",
                "te",
            ];
            assert!(!own.contains(&name), "{name} is not forwarded");
            let internal = ["x-postern-", "x-amzn-tls-", "x-forwarded-"];
            assert!(
                !internal.iter().any(|prefix| name.starts_with(prefix)),
                "{name} is not forwarded"
            );
        }
    }

    /// A header of a response that may hold addresses.
    ///
    /// # Panics
    /// Where a property does not hold.
    pub fn answer(&self, input: &[u8]) {
        const OWN: &str = "https://gate.example/api/proxy/header";
        let Some(provider) = self.providers.get("header") else {
            return;
        };
        let Ok(value) = HeaderValue::from_bytes(input) else {
            return;
        };
        let rewriter = Rewriter::new(
            provider,
            "https://gate.example",
            "/api/proxy/header/",
            ClientAddress::default(),
        );
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, value.clone());
        headers.insert(header::LINK, value.clone());
        rewriter.headers(&mut headers);
        let location = &headers[header::LOCATION];
        if *location != value {
            let text = location.to_str().unwrap_or_default();
            let rest = text.strip_prefix(OWN);
            let apart = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?', '#']);
            let below = rest.is_some_and(apart);
            // A reference to somewhere else becomes the address that it means.
            let written = value.to_str().unwrap_or_default().trim();
            let resolved = url::Url::parse(written).is_err() && url::Url::parse(text).is_ok();
            assert!(below || resolved, "{text} is not for {written}");
        }
        let count = |value: &HeaderValue| value.as_bytes().iter().filter(|b| **b == b'<').count();
        assert_eq!(
            count(&headers[header::LINK]),
            count(&value),
            "no link is added"
        );
    }

    /// A tenant's provider, as control reads it: the fields of `put_provider` as JSON.
    ///
    /// # Panics
    /// Where a property does not hold.
    pub fn provider(&self, input: &[u8]) {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(input) else {
            return;
        };
        let base_url = match fields.remove("base_url") {
            Some(Value::String(text)) => text,
            _ => return,
        };
        let Ok(shape) = serde_json::from_value::<WrittenShape>(fields.into()) else {
            return;
        };
        let slug = Slug::parse("own").unwrap_or_else(|error| panic!("the slug is valid: {error}"));
        let checked = NewProvider::check(
            &self.providers,
            &AllowedPrivate::default(),
            slug.clone(),
            slug.into(),
            &base_url,
            shape,
        );
        let Ok(NewProvider { provider, .. }) = checked else {
            return;
        };
        let base: Uri = match provider.base_url().parse() {
            Ok(base) => base,
            Err(error) => panic!("{} is stored: {error}", provider.base_url()),
        };
        assert_eq!(
            base.scheme_str(),
            Some("https"),
            "nothing is sent in the clear"
        );
        assert_eq!(
            base.host(),
            Some(provider.host().as_str()),
            "one host is meant"
        );
        assert!(base.query().is_none(), "{base}");
        assert_eq!(provider.below(provider.base_url()), Some(""));
        for auth_type in [AuthType::ApiKey, AuthType::OAuth] {
            let auth = provider.auth(auth_type);
            let Ok(injection) = auth.inject(&SECRET.into(), &OfClient::default()) else {
                continue;
            };
            let constants = auth.constants.iter().map(|(name, _)| name);
            for name in injection
                .headers
                .iter()
                .map(|(name, _)| name)
                .chain(constants)
            {
                assert!(headers::is_free(name), "{name} is not a provider's to set");
            }
        }
    }

    /// The value of a credential header.
    ///
    /// # Panics
    /// Where a property does not hold.
    pub fn placeholder(&self, input: &[u8]) {
        match Placeholder::read(input) {
            Presented::Placeholder(placeholder) => {
                assert!(input.ends_with(placeholder.expose().as_bytes()));
                assert_eq!(placeholder.expose().len(), "postern_secret_".len() + 36);
                let again = Placeholder::read(placeholder.expose().as_bytes());
                assert_eq!(again, Presented::Placeholder(placeholder));
            }
            Presented::Misplaced => assert!(mentions(input)),
            Presented::Other => {
                let mark = b"postern_secret_";
                assert!(!input.windows(mark.len()).any(|window| window == mark));
            }
        }
    }
}

fn build(
    call: &Call<'_>,
    credentials: &Credentials,
) -> Result<(http::Request<Full<Bytes>>, Sent), Error> {
    let client = credentials.of_client();
    outgoing::build(call, &client, &SECRET.into(), AuthType::ApiKey)
}

/// An event of payload 2.0, whose fields can hold any text.
fn event(input: &[u8]) -> Value {
    let text = String::from_utf8_lossy(input);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Map::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        headers.insert(name.into(), value.trim_start().into());
    }
    let method = method.parse::<Method>().unwrap_or_default();
    json!({"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "body": body,
        "requestContext": {"stage": "$default", "http": {"method": method.as_str()}}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn corpus(target: &str, check: impl Fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target);
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn the_corpus_of_requests_holds() {
        let fuzz = Fuzz::default();
        corpus("request", |input| fuzz.request(input));
    }

    #[test]
    fn the_corpus_of_answers_holds() {
        let fuzz = Fuzz::default();
        corpus("answer", |input| fuzz.answer(input));
    }

    #[test]
    fn the_corpus_of_providers_holds() {
        let fuzz = Fuzz::default();
        corpus("provider", |input| fuzz.provider(input));
    }

    #[test]
    fn the_corpus_of_placeholders_holds() {
        let fuzz = Fuzz::default();
        corpus("placeholder", |input| fuzz.placeholder(input));
    }
}
