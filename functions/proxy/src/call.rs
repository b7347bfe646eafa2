//! A call to a provider: what came in, and where it goes. What a policy decides about is exactly what is sent.

use crate::credential::is_parameter;
use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use postern::policy::Target;
use postern::provider::Provider;
use postern::wire::event::Incoming;
use postern::{Code, Error};

/// What cannot stand in a path. A REST API's event carries a decoded path; others never hold these.
const ILLEGAL_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'#')
    .add(b'?')
    .add(b'"')
    .add(b'<')
    .add(b'>');
const ILLEGAL_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'"').add(b'<').add(b'>');

/// Headers by which some servers take a request as of another method.
const METHOD_OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// And as to another path.
const PATH_OVERRIDES: [&str; 4] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-envoy-original-path",
];

/// A request to a provider, before it has a credential.
pub(crate) struct Call<'a> {
    /// The request as it came.
    pub incoming: &'a Incoming,
    /// The path below the provider's base URL, byte for byte.
    pub rest: &'a str,
    /// The provider that the path names.
    pub provider: &'a Provider,
    /// What a policy decides about: what will be sent, and the methods and paths that its headers name.
    pub target: Target,
}

impl<'a> Call<'a> {
    /// The call that a request makes.
    ///
    /// # Errors
    /// `invalid_path` where `rest` makes no valid address.
    pub(crate) fn new(
        incoming: &'a Incoming,
        rest: &'a str,
        provider: &'a Provider,
    ) -> Result<Self, Error> {
        Ok(Self {
            incoming,
            rest,
            provider,
            target: target(incoming, rest, provider)?,
        })
    }

    /// The address to send to: `base_url`, `/`, `rest`, and the query with the credential's pair, if it has
    /// one, in place of the placeholder's.
    ///
    /// # Errors
    /// `invalid_path` where the parts make no valid address.
    pub(crate) fn address(&self, credential: Option<&str>) -> Result<Uri, Error> {
        let mut address = without_query(self.rest, self.provider);
        let mut mark = '?';
        for pair in query(self.incoming, self.provider) {
            address.push(mark);
            address.push_str(&pair);
            mark = '&';
        }
        if let Some(pair) = credential {
            address.push(mark);
            address += pair;
        }
        address.parse().map_err(|_| Code::InvalidPath.into())
    }
}

/// `base_url`, `/` and `rest`.
fn without_query(rest: &str, provider: &Provider) -> String {
    let rest = utf8_percent_encode(rest, ILLEGAL_IN_PATH);
    format!("{}/{rest}", provider.base_url())
}

fn target(incoming: &Incoming, rest: &str, provider: &Provider) -> Result<Target, Error> {
    let address: Uri = without_query(rest, provider)
        .parse()
        .map_err(|_| Code::InvalidPath)?;
    let target = Target::from_uri(&address, incoming.method.as_str()).ok_or(Code::InvalidPath)?;
    let query: Vec<String> = query(incoming, provider).collect();
    let target = target.with_query(query.join("&"));
    let overrides = METHOD_OVERRIDES
        .iter()
        .flat_map(|name| incoming.headers.get_all(*name));
    let target = overrides.fold(target, |target, method| {
        target.with_possible_method(&String::from_utf8_lossy(method.as_bytes()))
    });
    let elsewhere = |name: &&str| incoming.headers.contains_key(*name);
    Ok(if PATH_OVERRIDES.iter().any(elsewhere) {
        target.with_unknown_path()
    } else {
        target
    })
}

/// The query's pairs as they are sent, without the placeholder's.
fn query<'a>(incoming: &'a Incoming, provider: &'a Provider) -> impl Iterator<Item = String> + 'a {
    let pairs = incoming
        .query
        .split('&')
        .filter(|_| !incoming.query.is_empty());
    let kept =
        pairs.filter(|pair| !is_parameter(pair.split('=').next().unwrap_or_default(), provider));
    kept.map(|pair| utf8_percent_encode(pair, ILLEGAL_IN_QUERY).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;
    use postern::config::Env;
    use postern::policy::Scheme;
    use postern::provider::Providers;

    #[test]
    fn a_policy_is_asked_about_exactly_what_is_sent() {
        let own = r#"[{"slug":"o","provider_id":"o","base_url":"https://API.Up.example.:8443/Base/","auth":{"header":"x-api-key"}}]"#;
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", own)])).unwrap();
        let provider = providers.get("o").unwrap();
        for rest in ["v1/x%2fy", "", "a b", "../v1", "é"] {
            let incoming = Incoming {
                method: http::Method::POST,
                path: String::new(),
                query: "a=1".into(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
                source: None,
            };
            let call = Call::new(&incoming, rest, provider).unwrap();
            let (target, sent) = (&call.target, call.address(None).unwrap());
            assert_eq!(target.path(), Some(sent.path()), "{rest}");
            assert_eq!(target.query(), sent.query(), "{rest}");
            assert_eq!(
                (target.host.as_str(), target.port, target.scheme),
                ("api.up.example", 8443, Scheme::Https)
            );
        }
    }
}
