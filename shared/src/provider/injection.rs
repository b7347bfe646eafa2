//! A secret as its provider takes it: headers, a query parameter, a segment of the path, or a signature.

use super::auth::{Auth, AwsScope, Shape};
use super::sigv4::Signer;
use crate::error::{Code, Error};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// Everything but RFC 3986's unreserved characters and the colon, which a path segment may hold.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// What the client says beside its placeholder, for the shapes that leave it to the client.
#[derive(Debug, Default)]
pub struct OfClient<'a> {
    /// The user name of HTTP Basic.
    pub username: Option<&'a str>,
    /// The scope of an AWS signature.
    pub scope: Option<&'a AwsScope>,
}

/// What a request gets so that its provider takes it.
pub struct Injection {
    /// Headers with the credential.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The query's pair, encoded.
    pub pair: Option<String>,
    /// The path's first segment, encoded.
    pub segment: Option<String>,
    /// Signs the request when it is whole.
    pub signer: Option<Signer>,
    /// Every text in which the secret stands in the request.
    pub texts: Vec<SecretString>,
}

impl Auth {
    /// A secret in this shape.
    ///
    /// # Errors
    /// `secret_unavailable` where the secret does not have the form that the shape needs; `invalid_request` where the
    /// client must say what an AWS signature is for, and does not.
    pub fn inject(&self, secret: &SecretString, client: &OfClient<'_>) -> Result<Injection, Error> {
        let mut injection = Injection {
            headers: Vec::new(),
            pair: None,
            segment: None,
            signer: None,
            texts: vec![secret.clone()],
        };
        let plain = secret.expose_secret();
        match &self.shape {
            Shape::Header(own) => {
                let value = behind(own.scheme.as_deref(), plain);
                injection.header(&own.header, &value)?;
            }
            Shape::Headers(all) => {
                let members = members(secret)?;
                injection.texts.clear();
                for own in all {
                    let value = member(&members, &own.json_key)?;
                    injection.header(&own.header, value)?;
                    injection.texts.push(value.into());
                }
            }
            Shape::Query(name) => {
                let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
                let written = utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string();
                injection.pair = Some(format!("{name}={written}"));
                injection.texts.push(written.into());
            }
            Shape::BasicPassword(username) => {
                let username = username.as_deref().or(client.username);
                injection.basic(username.unwrap_or_default(), plain)?;
            }
            Shape::BasicUsername => injection.basic(plain, "")?,
            Shape::Path(segment) => {
                let written = utf8_percent_encode(plain, SEGMENT).to_string();
                injection.segment = Some(segment.with(&written));
                injection.texts.push(written.into());
            }
            Shape::AwsSigV4(scope) => {
                let members = members(secret)?;
                let text = |name| member(&members, name);
                let (id, key) = (text("access_key_id")?, text("secret_access_key")?);
                let session = members.contains_key("session_token");
                let session = session.then(|| text("session_token")).transpose()?;
                injection.texts = [Some(id), Some(key), session]
                    .into_iter()
                    .flatten()
                    .map(SecretString::from)
                    .collect();
                injection.signer = Some(Signer::new(id, key, session, scope, client.scope)?);
            }
        }
        Ok(injection)
    }

    /// Adds the constants to a request's headers. A header that the client sent becomes a list with the constant at
    /// its end, if it does not hold it.
    pub fn add_constants(&self, headers: &mut HeaderMap) {
        for (name, constant) in &self.constants {
            let sent: Vec<&[u8]> = headers
                .get_all(name)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            let held = |list: &&[u8]| {
                let mut items = list.split(|byte| *byte == b',');
                items.any(|item| item.trim_ascii() == constant.as_bytes())
            };
            if sent.iter().any(held) {
                continue;
            }
            let mut list = sent.join(b", ".as_slice());
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(constant.as_bytes());
            let list = HeaderValue::from_maybe_shared(bytes::Bytes::from(list));
            headers.insert(name, list.unwrap_or_else(|_| constant.clone()));
        }
    }
}

impl Injection {
    fn header(&mut self, name: &HeaderName, value: &str) -> Result<(), Error> {
        self.headers.push((name.clone(), sensitive(value)?));
        Ok(())
    }

    fn basic(&mut self, username: &str, password: &str) -> Result<(), Error> {
        let written = STANDARD.encode(format!("{username}:{password}"));
        self.header(&AUTHORIZATION, &format!("Basic {written}"))?;
        self.texts.push(written.into());
        Ok(())
    }
}

/// The secret behind its scheme. One that ends in `=`, such as `Token token=`, is followed by no space.
fn behind(scheme: Option<&str>, secret: &str) -> String {
    match scheme {
        Some(scheme) if scheme.ends_with('=') => format!("{scheme}{secret}"),
        Some(scheme) => format!("{scheme} {secret}"),
        None => secret.to_owned(),
    }
}

/// A header's value that is never printed.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Code::SecretUnavailable.because("the secret's value cannot stand in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn members(secret: &SecretString) -> Result<Map<String, Value>, Error> {
    serde_json::from_str(secret.expose_secret())
        .map_err(|_| Code::SecretUnavailable.because("the secret must be a JSON object"))
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, Error> {
    let text = members.get(name).and_then(Value::as_str).map(str::trim);
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| Code::SecretUnavailable.because(format!("the secret has no text `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::WrittenAuth;
    use serde_json::json;

    fn auth(written: Value) -> Auth {
        let written: WrittenAuth = serde_json::from_value(written).unwrap();
        Auth::check(&written, &[]).unwrap()
    }

    fn headers(written: Value, secret: &str, username: Option<&str>) -> Vec<(String, String)> {
        let client = OfClient {
            username,
            scope: None,
        };
        let injection = auth(written).inject(&secret.into(), &client).unwrap();
        let text = |(name, value): &(HeaderName, HeaderValue)| {
            assert!(value.is_sensitive());
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        injection.headers.iter().map(text).collect()
    }

    #[test]
    fn a_secret_is_written_in_each_shape() {
        let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let key = "k:1/2";
        for (written, username, expected) in [
            (
                json!({"header": "authorization", "scheme": "Bearer"}),
                None,
                one("authorization", "Bearer k:1/2"),
            ),
            (
                json!({"header": "authorization", "scheme": "Token token="}),
                None,
                one("authorization", "Token token=k:1/2"),
            ),
            (
                json!({"header": "private-token"}),
                None,
                one("private-token", key),
            ),
            (
                json!({"basic": "password", "username": "x"}),
                Some("client"),
                one("authorization", "Basic eDprOjEvMg=="),
            ),
            (
                json!({"basic": "password"}),
                Some("me"),
                one("authorization", "Basic bWU6azoxLzI="),
            ),
            (
                json!({"basic": "password"}),
                None,
                one("authorization", "Basic Oms6MS8y"),
            ),
            (
                json!({"basic": "username"}),
                Some("me"),
                one("authorization", "Basic azoxLzI6"),
            ),
        ] {
            assert_eq!(
                headers(written.clone(), key, username),
                expected,
                "{written}"
            );
        }
        let written = json!({"headers": [{"header": "x-a", "json_key": "a"}, {"header": "x-b", "json_key": "b"}]});
        let both = headers(written, r#"{"a": "1", "b": " 2\n", "c": 3}"#, None);
        assert_eq!(both, [one("x-a", "1"), one("x-b", "2")].concat());
    }

    #[test]
    fn a_segment_and_a_pair_are_encoded() {
        let inject = |written| {
            auth(written)
                .inject(&"1:a/b c".into(), &OfClient::default())
                .unwrap()
        };
        let path = inject(json!({"path": "bot{secret}"}));
        assert_eq!(path.segment.as_deref(), Some("bot1:a%2Fb%20c"));
        let query = inject(json!({"query": "key"}));
        assert_eq!(query.pair.as_deref(), Some("key=1%3Aa%2Fb%20c"));
    }

    #[test]
    fn a_secret_without_its_form_is_unavailable() {
        let headers = json!({"headers": [{"header": "x-a", "json_key": "a"}]});
        for (written, secret) in [
            (headers.clone(), "plain"),
            (headers.clone(), "[]"),
            (headers.clone(), r#"{"b": "1"}"#),
            (headers.clone(), r#"{"a": 1}"#),
            (headers, r#"{"a": " "}"#),
            (json!({"header": "x-a"}), "a\nb"),
            (json!({"aws_sigv4": {}}), "plain"),
            (json!({"aws_sigv4": {}}), r#"{"access_key_id": "a"}"#),
        ] {
            let refused = auth(written.clone()).inject(&secret.into(), &OfClient::default());
            assert_eq!(
                refused.err().map(|error| error.code),
                Some(Code::SecretUnavailable),
                "{written} {secret}"
            );
        }
    }

    #[test]
    fn a_constant_is_added_or_appended_once() {
        let auth =
            auth(json!({"header": "authorization", "constants": {"anthropic-beta": "oauth"}}));
        for (sent, expected) in [
            (vec![], "oauth"),
            (vec!["a,b"], "a,b, oauth"),
            (vec!["a", "b"], "a, b, oauth"),
            (vec!["a, oauth"], "a, oauth"),
        ] {
            let mut headers = HeaderMap::new();
            for value in &sent {
                headers.append("anthropic-beta", value.parse().unwrap());
            }
            auth.add_constants(&mut headers);
            let all: Vec<_> = headers.get_all("anthropic-beta").iter().collect();
            assert_eq!(all, [expected], "{sent:?}");
        }
    }
}
