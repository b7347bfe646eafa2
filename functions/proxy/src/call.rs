//! A call to a provider: what came in, and where it goes. A policy decides on exactly what is sent.

use crate::credential::without_form_credential;
use bytes::Bytes;
use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use postern::policy::Target;
use postern::provider::{Provider, Segment};
use postern::wire::event::Incoming;
use postern::wire::headers::{METHOD_OVERRIDES, PATH_OVERRIDES};
use postern::{Code, Error};

/// Characters that no path may hold. A REST API's event carries a decoded path; other events never hold these.
const ILLEGAL_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'#')
    .add(b'?')
    .add(b'"')
    .add(b'<')
    .add(b'>');
const ILLEGAL_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'"').add(b'<').add(b'>');

/// A request to a provider, before it has a credential.
pub(crate) struct Call<'a> {
    /// The request as it came.
    pub incoming: &'a Incoming,
    /// The path below the provider's base URL, byte for byte, without the segment that holds the credential.
    rest: &'a str,
    /// The provider that the path names.
    pub provider: &'a Provider,
    /// The body as it is sent.
    pub body: Bytes,
    /// The target that a policy decides on: what will be sent, with the methods and paths that headers name.
    pub target: Target,
}

impl<'a> Call<'a> {
    /// The call that a request makes.
    ///
    /// # Errors
    /// `invalid_path` where `rest` does not make a valid address.
    pub(crate) fn new(
        incoming: &'a Incoming,
        rest: &'a str,
        provider: &'a Provider,
    ) -> Result<Self, Error> {
        let rest = match provider.key_segment() {
            Some(_) => rest.split_once('/').map_or("", |(_, after)| after),
            None => rest,
        };
        Ok(Self {
            body: without_form_credential(incoming, provider),
            target: target(incoming, rest, provider)?,
            incoming,
            rest,
            provider,
        })
    }

    /// The address to send to: `base_url`, `/`, `rest`, and the query, with the credential's segment or pair, if it
    /// has one, in place of the placeholder's.
    ///
    /// # Errors
    /// `invalid_path` where the parts do not make a valid address.
    pub(crate) fn address(&self, segment: Option<&str>, pair: Option<&str>) -> Result<Uri, Error> {
        let mut address = without_query(self.rest, self.provider, segment);
        let mut mark = '?';
        for pair in query(self.incoming, self.provider) {
            address.push(mark);
            address.push_str(&pair);
            mark = '&';
        }
        if let Some(pair) = pair {
            address.push(mark);
            address += pair;
        }
        address.parse().map_err(|_| Code::InvalidPath.into())
    }
}

/// `base_url`, `/` and `rest`, behind the credential's segment if there is one.
fn without_query(rest: &str, provider: &Provider, segment: Option<&str>) -> String {
    let rest = utf8_percent_encode(rest, ILLEGAL_IN_PATH);
    let base = provider.base_url();
    match segment {
        Some(segment) => format!("{base}/{segment}/{rest}"),
        None => format!("{base}/{rest}"),
    }
}

fn target(incoming: &Incoming, rest: &str, provider: &Provider) -> Result<Target, Error> {
    // A policy sees the segment that holds the credential without it, as in `/bot/sendMessage`.
    let segment = provider.key_segment().map(Segment::shown);
    let address: Uri = without_query(rest, provider, segment.as_deref())
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
    let name = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        percent_decode_str(name).decode_utf8_lossy().into_owned()
    };
    let kept = pairs.filter(move |pair| !provider.takes_key_in_query(&name(pair)));
    kept.map(|pair| utf8_percent_encode(pair, ILLEGAL_IN_QUERY).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
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
                front: None,
            };
            let call = Call::new(&incoming, rest, provider).unwrap();
            let (target, sent) = (&call.target, call.address(None, None).unwrap());
            assert_eq!(target.path(), Some(sent.path()), "{rest}");
            assert_eq!(target.query(), sent.query(), "{rest}");
            assert_eq!(
                (target.host.as_str(), target.port, target.scheme),
                ("api.up.example", 8443, Scheme::Https)
            );
        }
    }
}
