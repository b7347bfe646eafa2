//! What a request presents as credentials. Everything presented is looked at, so that junk in one
//! header never hides a foreign placeholder in another.

use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use postern::authority::placeholder::{Placeholder, PlaceholderHash, Presented, mentions};
use postern::authority::token;
use postern::provider::Provider;
use postern::wire::event::Incoming;
use postern::{Code, Error};
use secrecy::SecretString;

/// The credentials of one request.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// The worker token, not yet verified.
    pub worker_token: Option<SecretString>,
    /// The hashes of the placeholders, each once.
    pub placeholders: Vec<PlaceholderHash>,
}

/// What one credential place holds.
enum Found {
    Placeholder(PlaceholderHash),
    WorkerToken(String),
    Junk,
}

impl Credentials {
    /// Reads every place of a credential.
    ///
    /// # Errors
    /// `placeholder_misplaced`, `unexpected_credential`, `missing_credentials`.
    pub(crate) fn collect(incoming: &Incoming, provider: &Provider) -> Result<Self, Error> {
        let mut credentials = Self::default();
        let mut junk = false;
        for found in headers(incoming, provider)?
            .into_iter()
            .chain(query(incoming, provider)?)
        {
            match found {
                Found::Placeholder(hash) if credentials.placeholders.contains(&hash) => {}
                Found::Placeholder(hash) => credentials.placeholders.push(hash),
                Found::WorkerToken(token) => credentials.token(&token)?,
                Found::Junk => junk = true,
            }
        }
        match (
            credentials.worker_token.is_some() || !credentials.placeholders.is_empty(),
            junk,
        ) {
            (true, false) => Ok(credentials),
            (true, true) => Err(Code::UnexpectedCredential.into()),
            (false, _) => Err(Code::MissingCredentials.into()),
        }
    }

    /// Keeps a token; a second one must be the same, so that none goes unverified.
    fn token(&mut self, token: &str) -> Result<(), Error> {
        use secrecy::ExposeSecret;
        match &self.worker_token {
            Some(first) if first.expose_secret() != token => Err(Error::new(
                Code::UnexpectedCredential,
                "two different worker tokens were presented; send one",
            )),
            Some(_) => Ok(()),
            None => {
                self.worker_token = Some(SecretString::from(token));
                Ok(())
            }
        }
    }
}

fn headers(incoming: &Incoming, provider: &Provider) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for (name, value) in &incoming.headers {
        let value = value.as_bytes();
        if *name == AUTHORIZATION {
            found.push(authorization(value)?);
        } else if provider.takes_key_in(name) {
            found.push(credential(without_scheme(
                value,
                provider.schemes_in(name),
            ))?);
        } else if name == token::HEADER {
            let token = std::str::from_utf8(value).map_err(|_| Code::InvalidWorkerToken)?;
            found.push(Found::WorkerToken(token.trim().to_owned()));
        } else if mentions(value) {
            return Err(Code::PlaceholderMisplaced.into());
        }
    }
    Ok(found)
}

/// The value after its scheme, if it begins with one of these. Schemes are compared without regard to case
/// (RFC 9110 section 11.1).
fn without_scheme<'a>(value: &'a [u8], schemes: impl IntoIterator<Item = &'a str>) -> &'a [u8] {
    let after = |scheme: &str| {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        let rest = rest.strip_prefix(b" ")?;
        start
            .eq_ignore_ascii_case(scheme.as_bytes())
            .then_some(rest)
    };
    schemes.into_iter().find_map(after).unwrap_or(value)
}

fn authorization(value: &[u8]) -> Result<Found, Error> {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return if mentions(value) {
            Err(Code::PlaceholderMisplaced.into())
        } else {
            Ok(Found::Junk)
        };
    }
    let rest = rest.trim();
    match credential(rest.as_bytes())? {
        Found::Junk if token::looks_like_jwt(rest) => Ok(Found::WorkerToken(rest.to_owned())),
        found => Ok(found),
    }
}

fn credential(value: &[u8]) -> Result<Found, Error> {
    match Placeholder::read(value) {
        Presented::Placeholder(placeholder) => Ok(Found::Placeholder(placeholder.hash())),
        Presented::Misplaced => Err(Code::PlaceholderMisplaced.into()),
        Presented::Other => Ok(Found::Junk),
    }
}

/// The provider's own query parameter is a credential's place; the rest of the URL is none.
fn query(incoming: &Incoming, provider: &Provider) -> Result<Vec<Found>, Error> {
    if mentions(incoming.path.as_bytes()) {
        return Err(Code::PlaceholderMisplaced.into());
    }
    let mut found = Vec::new();
    for pair in incoming.query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_parameter(name, provider) {
            let value: Vec<u8> = percent_decode_str(value).collect();
            found.push(credential(&value)?);
        } else if mentions(pair.as_bytes()) {
            return Err(Code::PlaceholderMisplaced.into());
        }
    }
    Ok(found)
}

/// Whether this is the query parameter that carries the provider's key.
pub(crate) fn is_parameter(raw_name: &str, provider: &Provider) -> bool {
    provider
        .query_parameter()
        .is_some_and(|own| percent_decode_str(raw_name).eq(own.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};
    use postern::config::Env;
    use postern::provider::Providers;

    const ONE: &str = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    const TWO: &str = "postern_secret_2b4e28ba-2fa1-41d2-883f-0016d3cca427";

    fn collect(headers: &[(&str, &str)], path: &str, query: &str) -> Result<Credentials, Code> {
        let own =
            r#"[{"slug":"q","provider_id":"q","base_url":"https://q","auth":{"query":"key"}}]"#;
        collect_with(own, headers, path, query)
    }

    fn collect_with(
        own: &str,
        headers: &[(&str, &str)],
        path: &str,
        query: &str,
    ) -> Result<Credentials, Code> {
        let providers = Providers::from_env(&Env::from_pairs([("PROVIDERS", own)])).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let incoming = Incoming {
            method: http::Method::GET,
            path: path.into(),
            query: query.into(),
            headers: map,
            body: bytes::Bytes::new(),
            source: None,
        };
        Credentials::collect(&incoming, providers.get("q").unwrap()).map_err(|error| error.code)
    }

    fn refused(headers: &[(&str, &str)]) -> Code {
        collect(headers, "/x", "").unwrap_err()
    }

    #[test]
    fn a_placeholder_is_found_in_each_of_its_places() {
        let bearer = format!("bEARER sk-ant-oat01-{ONE}");
        for headers in [
            vec![("authorization", bearer.as_str())],
            vec![("x-api-key", ONE)],
            vec![("x-goog-api-key", ONE)],
        ] {
            assert_eq!(
                collect(&headers, "/x", "").unwrap().placeholders.len(),
                1,
                "{headers:?}"
            );
        }
        assert_eq!(
            collect(&[], "/x", &format!("a=1&%6bey={ONE}"))
                .unwrap()
                .placeholders
                .len(),
            1
        );
    }

    #[test]
    fn a_placeholder_is_found_in_the_header_of_the_provider_itself_and_of_no_other() {
        let own = r#"[{"slug":"q","provider_id":"q","base_url":"https://q","auth":{"header":"private-token"}}]"#;
        let of_gitlab = collect_with(own, &[("private-token", ONE)], "/x", "").unwrap();
        assert_eq!(of_gitlab.placeholders.len(), 1);
        assert_eq!(
            refused(&[("private-token", ONE)]),
            Code::PlaceholderMisplaced
        );
    }

    #[test]
    fn a_placeholder_may_stand_behind_the_scheme_of_the_providers_header() {
        let own = r#"[{"slug":"q","provider_id":"q","base_url":"https://q","auth":{"header":"x-auth","scheme":"Token"}}]"#;
        let collect = |value: String| collect_with(own, &[("x-auth", &value)], "/x", "");
        for value in [format!("Token {ONE}"), format!("token {ONE}"), ONE.into()] {
            assert_eq!(collect(value).unwrap().placeholders.len(), 1);
        }
        for value in [format!("Other {ONE}"), format!("Token {ONE} x")] {
            assert_eq!(collect(value).unwrap_err(), Code::PlaceholderMisplaced);
        }
    }

    #[test]
    fn every_presented_placeholder_counts_and_the_same_one_counts_once() {
        let bearer = format!("Bearer {ONE}");
        let both = collect(&[("authorization", &bearer), ("x-api-key", TWO)], "/x", "").unwrap();
        assert_eq!(both.placeholders.len(), 2);
        let same = collect(&[("authorization", &bearer), ("x-api-key", ONE)], "/x", "").unwrap();
        assert_eq!(same.placeholders.len(), 1);
    }

    #[test]
    fn junk_alone_is_missing_and_junk_beside_a_credential_is_unexpected() {
        assert_eq!(refused(&[]), Code::MissingCredentials);
        assert_eq!(
            refused(&[("authorization", "Bearer sk-live")]),
            Code::MissingCredentials
        );
        assert_eq!(
            refused(&[
                ("x-api-key", "junk"),
                ("authorization", &format!("Bearer {ONE}"))
            ]),
            Code::UnexpectedCredential
        );
        assert_eq!(
            refused(&[("authorization", "Basic eA=="), ("x-api-key", ONE)]),
            Code::UnexpectedCredential
        );
        assert_eq!(
            refused(&[
                ("x-postern-worker-token", "a"),
                ("authorization", "Bearer eyJh.b.c")
            ]),
            Code::UnexpectedCredential
        );
    }

    #[test]
    fn the_mark_anywhere_else_is_misplaced() {
        assert_eq!(refused(&[("x-other", ONE)]), Code::PlaceholderMisplaced);
        assert_eq!(
            refused(&[("authorization", &format!("Basic {ONE}"))]),
            Code::PlaceholderMisplaced
        );
        assert_eq!(
            refused(&[("authorization", ONE)]),
            Code::PlaceholderMisplaced
        );
        assert_eq!(
            refused(&[("x-api-key", &format!("{ONE}x"))]),
            Code::PlaceholderMisplaced
        );
        assert_eq!(
            collect(&[("x-api-key", ONE)], &format!("/x/{ONE}"), "").unwrap_err(),
            Code::PlaceholderMisplaced
        );
        assert_eq!(
            collect(&[("x-api-key", ONE)], "/x", &format!("other={ONE}")).unwrap_err(),
            Code::PlaceholderMisplaced
        );
    }
}
