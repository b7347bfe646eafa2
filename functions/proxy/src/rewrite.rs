//! Addresses of the provider in a response's headers, rewritten onto the proxy. So the next page, a redirect within the
//! provider and an upload session stay behind it.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;
use postern::Placeholder;
use postern::provider::Provider;
use std::sync::OnceLock;
use url::Url;

/// Headers that are one address.
const ADDRESSES: [HeaderName; 3] = [
    header::LOCATION,
    header::CONTENT_LOCATION,
    HeaderName::from_static("operation-location"),
];
/// The address of an upload session. It is a credential itself, so Google's clients send their key no more.
const UPLOAD: HeaderName = HeaderName::from_static("x-goog-upload-url");

/// Rewrites the addresses of one provider onto one caller's address of the proxy.
pub(crate) struct Rewriter<'a> {
    provider: &'a Provider,
    /// The proxy's address for the provider, as the client used it, without a slash at its end.
    own: String,
    /// The address that was called, with the client's placeholder where the key stands. References are relative to it.
    /// Most responses hold none.
    called: OnceLock<Option<Url>>,
    client: ClientAddress<'a>,
    /// The client's own pair of the query that holds its placeholder.
    own_pair: Option<&'a str>,
}

/// Where the client's request holds its placeholder. It takes the place of the key, which was taken out before.
#[derive(Debug, Default)]
pub(crate) struct ClientAddress<'a> {
    /// The path below the proxy's address for the provider.
    pub rest: &'a str,
    /// The query.
    pub query: &'a str,
    /// The placeholder that stood in a header.
    pub header: Option<Placeholder>,
}

impl<'a> Rewriter<'a> {
    /// `front` and `mount` are the parts of the client's address before what the provider gets.
    pub(crate) fn new(
        provider: &'a Provider,
        front: &str,
        mount: &str,
        client: ClientAddress<'a>,
    ) -> Self {
        Self {
            provider,
            own: format!("{front}{}", mount.trim_end_matches('/')),
            called: OnceLock::new(),
            own_pair: client
                .query
                .split('&')
                .find(|pair| holds_key(provider, pair)),
            client,
        }
    }

    fn called(&self) -> Option<&Url> {
        let address = || {
            let address = format!("{}/{}", self.provider.base_url(), self.client.rest);
            let mut called = Url::parse(&address).ok()?;
            let query = Some(self.client.query).filter(|query| !query.is_empty());
            called.set_query(query);
            Some(called)
        };
        self.called.get_or_init(address).as_ref()
    }

    /// Rewrites the headers that hold addresses.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for name in ADDRESSES {
            self.each(headers, &name, |value| self.address(value));
        }
        self.each(headers, &UPLOAD, |value| self.upload(value));
        self.each(headers, &header::LINK, |value| self.links(value));
    }

    fn each(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        rewritten: impl Fn(&str) -> Option<String>,
    ) {
        let http::header::Entry::Occupied(mut entry) = headers.entry(name) else {
            return;
        };
        for value in entry.iter_mut() {
            let text = value.to_str().ok().and_then(&rewritten);
            if let Some(new) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                *value = new;
            }
        }
    }

    /// The proxy's address for an address of the provider. `None` for an address elsewhere, which stays as it is.
    fn address(&self, address: &str) -> Option<String> {
        let address = address.trim();
        // No address holds these, so what looks like one is not.
        if address.contains(['<', '>', '"']) {
            return None;
        }
        // Resolved as clients do. Steps such as `..` are taken here, so that none leads to another provider of the
        // proxy's.
        let whole = self.called()?.join(address).ok()?;
        let below = self.provider.below(whole.as_str());
        // The client would resolve a reference against the proxy.
        let elsewhere = || Url::parse(address).is_err().then(|| whole.to_string());
        below
            .and_then(|below| self.onto_proxy(below))
            .or_else(elsewhere)
    }

    fn onto_proxy(&self, below: &str) -> Option<String> {
        let (whole, fragment) = match below.split_once('#') {
            Some((whole, fragment)) => (whole, format!("#{fragment}")),
            None => (below, String::new()),
        };
        let (path, query) = match whole.split_once('?') {
            Some((path, query)) => (path, self.query(query)),
            None => (whole, String::new()),
        };
        Some(format!("{}{}{query}{fragment}", self.own, self.path(path)?))
    }

    /// The same with the client's placeholder in the query, so that requests without a key pass.
    fn upload(&self, address: &str) -> Option<String> {
        let own = self.address(address)?;
        if !own.starts_with(&self.own) {
            return Some(own);
        }
        let (before, query) = own.split_once('?').unwrap_or((&own, ""));
        let held = query.split('&').any(|pair| holds_key(self.provider, pair));
        let (false, Some(name)) = (held, self.provider.key_query()) else {
            return Some(own);
        };
        let of_header = || Some(format!("{name}={}", self.client.header.as_ref()?.expose()));
        let Some(pair) = self.own_pair.map(ToOwned::to_owned).or_else(of_header) else {
            return Some(own);
        };
        let pairs: Vec<&str> = [query, &pair]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        Some(format!("{before}?{}", pairs.join("&")))
    }

    /// The path with the client's own segment where the key stood. `None` where it stood elsewhere.
    fn path(&self, path: &str) -> Option<String> {
        let Some(segment) = self.provider.key_segment() else {
            return Some(path.to_owned());
        };
        let (first, after) = path.strip_prefix('/')?.split_once('/')?;
        segment.read(first)?;
        let own = self.client.rest.split('/').next().unwrap_or_default();
        Some(format!("/{own}/{after}"))
    }

    /// The query with the client's own pair where the key stood.
    fn query(&self, query: &str) -> String {
        let pairs = query.split('&').filter_map(|pair| {
            if holds_key(self.provider, pair) {
                self.own_pair
            } else {
                Some(pair)
            }
        });
        let pairs: Vec<&str> = pairs.collect();
        if pairs.is_empty() {
            return String::new();
        }
        format!("?{}", pairs.join("&"))
    }

    /// RFC 8288: `<address>; rel="next", <address>; rel="last"`. In quotation marks `<` begins no address.
    fn links(&self, value: &str) -> Option<String> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        let (mut any, mut quoted) = (false, false);
        while let Some(at) = rest.find(['<', '"']) {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let address = after.strip_prefix('<').filter(|_| !quoted);
            let Some((address, next)) = address.and_then(|address| address.split_once('>')) else {
                quoted ^= after.starts_with('"');
                out.push_str(&after[..1]);
                rest = &after[1..];
                continue;
            };
            let new = self.address(address);
            any |= new.is_some();
            out.push('<');
            out.push_str(new.as_deref().unwrap_or(address));
            out.push('>');
            rest = next;
        }
        out.push_str(rest);
        any.then_some(out)
    }
}

fn holds_key(provider: &Provider, pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    provider.takes_key_in_query(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::config::Env;
    use postern::provider::Providers;

    fn rewritten(name: &'static str, value: &str) -> String {
        let client = ClientAddress {
            rest: "called",
            ..ClientAddress::default()
        };
        rewritten_for(r#"{"query":"key"}"#, client, name, value)
    }

    fn rewritten_for(
        auth: &str,
        client: ClientAddress<'_>,
        name: &'static str,
        value: &str,
    ) -> String {
        let own = format!(r#"[{{"slug":"p","base_url":"https://api.example/v1","auth":{auth}}}]"#);
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", &*own)])).unwrap();
        let rewriter = Rewriter::new(
            providers.get("p").unwrap(),
            "https://gate.example/prod",
            "/api/proxy/p/a/agent/",
            client,
        );
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        rewriter.headers(&mut headers);
        headers[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn an_address_of_the_provider_becomes_the_proxys() {
        const OWN: &str = "https://gate.example/prod/api/proxy/p/a/agent";
        for name in [
            "location",
            "content-location",
            "x-goog-upload-url",
            "operation-location",
        ] {
            for (address, expected) in [
                (
                    "https://api.example/v1/x?page=2#y",
                    format!("{OWN}/x?page=2#y"),
                ),
                ("https://api.example/v1", OWN.into()),
                ("/v1/x", format!("{OWN}/x")),
                ("x", format!("{OWN}/x")),
                ("?page=2", format!("{OWN}/called?page=2")),
                ("//api.example/v1/x", format!("{OWN}/x")),
                // What is not the provider's API leads to the provider, and never to another of the proxy's.
                ("/other", "https://api.example/other".into()),
                ("../x", "https://api.example/x".into()),
                (
                    "../../../stripe/v1/charges",
                    "https://api.example/stripe/v1/charges".into(),
                ),
                (
                    "https://api.example/v1/../../stripe/x",
                    "https://api.example/v1/../../stripe/x".into(),
                ),
                (
                    "https://api.example/v1/%2e%2e/stripe/x",
                    "https://api.example/v1/%2e%2e/stripe/x".into(),
                ),
                ("https://api.example/v1/a/../x", format!("{OWN}/x")),
                (
                    "//elsewhere.example/x",
                    "https://elsewhere.example/x".into(),
                ),
                (
                    "https://api.example/v2/x",
                    "https://api.example/v2/x".into(),
                ),
                (
                    "https://elsewhere.example/v1/x",
                    "https://elsewhere.example/v1/x".into(),
                ),
                ("http://api.example/v1/x", "http://api.example/v1/x".into()),
            ] {
                assert_eq!(rewritten(name, address), expected, "{name}: {address}");
            }
        }
        assert_eq!(
            rewritten("x-other", "https://api.example/v1/x"),
            "https://api.example/v1/x"
        );
    }

    #[test]
    fn the_clients_placeholder_takes_the_place_of_the_key() {
        const OWN: &str = "https://gate.example/prod/api/proxy/p/a/agent";
        let query = |client, address: &str| {
            let client = ClientAddress {
                query: client,
                ..ClientAddress::default()
            };
            rewritten_for(r#"{"query":"key"}"#, client, "location", address)
        };
        let next = "https://api.example/v1/x?a=1&k%65y=[redacted]&b=2#c";
        assert_eq!(
            query("z=1&key=placeholder", next),
            format!("{OWN}/x?a=1&key=placeholder&b=2#c")
        );
        assert_eq!(query("z=1", next), format!("{OWN}/x?a=1&b=2#c"));
        assert_eq!(
            query("", "https://api.example/v1/x?key=[redacted]"),
            format!("{OWN}/x")
        );
        let path = |address: &str| {
            let client = ClientAddress {
                rest: "botplaceholder/getFile",
                ..ClientAddress::default()
            };
            rewritten_for(r#"{"path":"bot{secret}"}"#, client, "location", address)
        };
        let next = "https://api.example/v1/bot[redacted]/next?a=1";
        assert_eq!(path(next), format!("{OWN}/botplaceholder/next?a=1"));
        assert_eq!(path("next"), format!("{OWN}/botplaceholder/next"));
        // A key in another segment is not where the client's placeholder stands.
        let file = "https://api.example/v1/file/bot[redacted]/x";
        assert_eq!(path(file), file);
        assert_eq!(path("/v1/file/x"), "https://api.example/v1/file/x");
    }

    #[test]
    fn an_upload_session_holds_the_clients_placeholder() {
        const OWN: &str = "https://gate.example/prod/api/proxy/p/a/agent";
        const PLACEHOLDER: &str = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        let rewritten = |auth: &str, query, name, address: &str| {
            let client = ClientAddress {
                query,
                header: Placeholder::within(PLACEHOLDER),
                ..ClientAddress::default()
            };
            rewritten_for(auth, client, name, address)
        };
        let google = r#"{"header":"x-goog-api-key"}"#;
        let upload = |query, address: &str| rewritten(google, query, "x-goog-upload-url", address);
        let session = "https://api.example/v1/files?upload_id=1";
        let own = format!("{OWN}/files?upload_id=1");
        assert_eq!(upload("", session), format!("{own}&key={PLACEHOLDER}"));
        assert_eq!(upload("a=b&key=own", session), format!("{own}&key=own"));
        assert_eq!(
            upload("", "https://api.example/v1/files"),
            format!("{OWN}/files?key={PLACEHOLDER}")
        );
        assert_eq!(
            upload("key=own", "https://api.example/v1/files?key=[redacted]&a=1"),
            format!("{OWN}/files?key=own&a=1")
        );
        // Another host does not get it, and no other header or provider has it.
        let elsewhere = "https://elsewhere.example/v1/files?upload_id=1";
        assert_eq!(upload("", elsewhere), elsewhere);
        assert_eq!(rewritten(google, "", "location", session), own);
        let other = r#"{"header":"x-api-key"}"#;
        assert_eq!(rewritten(other, "", "x-goog-upload-url", session), own);
    }

    #[test]
    fn each_link_is_rewritten_by_itself() {
        const OWN: &str = "https://gate.example/prod/api/proxy/p/a/agent";
        let link = r#"<https://api.example/v1/x?a=1,2>; rel="next", <https://else.example/>; rel="a<b>", </v1/y>; rel=last"#;
        let expected = format!(
            r#"<{OWN}/x?a=1,2>; rel="next", <https://else.example/>; rel="a<b>", <{OWN}/y>; rel=last"#
        );
        assert_eq!(rewritten("link", link), expected);
        for odd in [
            "",
            "<",
            "<https://api.example/v1",
            "a > b <",
            "<x\", <y>",
            "<https://[>; rel=next",
        ] {
            assert_eq!(rewritten("link", odd), odd);
        }
    }
}
