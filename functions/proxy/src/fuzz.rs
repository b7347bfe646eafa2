//! Properties that hold for every request, for `fuzz/` and the stored corpus: nothing panics, and nothing is
//! forwarded that must not be.

use crate::call::Call;
use crate::credential::Credentials;
use crate::outgoing::{self, Sent};
use crate::route::Route;
use bytes::Bytes;
use http::{Method, Uri};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use postern::Error;
use postern::authority::placeholder::{Placeholder, Presented, mentions};
use postern::config::Env;
use postern::policy::{Action, Mode, Owner, Policies, PolicyRow};
use postern::provider::{AuthType, Providers};
use postern::wire::event::{HttpEvent, Incoming};
use serde_json::{Map, Value, json};

const PROVIDERS: &str = r#"[
    {"slug":"header","provider_id":"p","base_url":"https://up.example/base","auth":{"header":"authorization","scheme":"Bearer"}},
    {"slug":"query","provider_id":"p","base_url":"https://up.example:8443","auth":{"query":"key"}}
]"#;
const SECRET: &str = "sk-real";

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
        if let Ok(credentials) = Credentials::collect(&incoming, path.rest, Some(provider)) {
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
        assert!(
            target.path().is_none_or(|path| path == sent.uri().path()),
            "a policy is asked about what is sent"
        );
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
    fn the_corpus_of_placeholders_holds() {
        let fuzz = Fuzz::default();
        corpus("placeholder", |input| fuzz.placeholder(input));
    }
}
