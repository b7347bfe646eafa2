//! Addresses of the provider in a response's headers, rewritten onto the proxy. So the next page, a redirect within the
//! provider and an upload session stay behind it.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use postern::provider::Provider;

/// Headers that are one address.
const ADDRESSES: [HeaderName; 4] = [
    header::LOCATION,
    header::CONTENT_LOCATION,
    HeaderName::from_static("x-goog-upload-url"),
    HeaderName::from_static("operation-location"),
];

/// Rewrites the addresses of one provider onto one caller's address of the proxy.
pub(crate) struct Rewriter<'a> {
    provider: &'a Provider,
    /// The proxy's address for the provider, as the client used it, without a slash at its end.
    own: String,
}

impl<'a> Rewriter<'a> {
    /// `front` and `mount` are the parts of the client's address before what the provider gets.
    pub(crate) fn new(provider: &'a Provider, front: &str, mount: &str) -> Self {
        Self {
            provider,
            own: format!("{front}{}", mount.trim_end_matches('/')),
        }
    }

    /// Rewrites the headers that hold addresses.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for name in ADDRESSES {
            self.each(headers, &name, |value| self.address(value));
        }
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

    /// The proxy's address for an address of the provider. `None` for every other.
    fn address(&self, address: &str) -> Option<String> {
        let address = address.trim();
        let below = self.provider.below(address)?;
        // In a path that holds the credential, the client's own segment is a placeholder, which is not known here.
        Some(format!("{}{below}", self.own))
    }

    /// RFC 8288: `<address>; rel="next", <address>; rel="last"`.
    fn links(&self, value: &str) -> Option<String> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        let mut any = false;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((address, next)) = after.split_once('>') else {
                break;
            };
            let new = self.address(address);
            any |= new.is_some();
            out.push_str(before);
            out.push('<');
            out.push_str(new.as_deref().unwrap_or(address));
            out.push('>');
            rest = next;
        }
        out.push_str(rest);
        any.then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern::config::Env;
    use postern::provider::Providers;

    fn rewritten(name: &'static str, value: &str) -> String {
        let own = r#"[{"slug":"p","base_url":"https://api.example/v1","auth":{"query":"key"}}]"#;
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", own)])).unwrap();
        let rewriter = Rewriter::new(
            providers.get("p").unwrap(),
            "https://gate.example/prod",
            "/api/proxy/p/a/agent/",
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
                ("x", "x".into()),
                ("/other", "/other".into()),
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
    fn each_link_is_rewritten_by_itself() {
        const OWN: &str = "https://gate.example/prod/api/proxy/p/a/agent";
        let link = r#"<https://api.example/v1/x?a=1,2>; rel="next", <https://else.example/>; rel="a<b>", </v1/y>; rel=last"#;
        let expected = format!(
            r#"<{OWN}/x?a=1,2>; rel="next", <https://else.example/>; rel="a<b>", <{OWN}/y>; rel=last"#
        );
        assert_eq!(rewritten("link", link), expected);
        for odd in ["", "<", "<>", "<https://api.example/v1", "a > b <"] {
            assert_eq!(rewritten("link", odd), odd);
        }
    }
}
