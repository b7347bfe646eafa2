//! `auth` as JSON writes it, read once and checked.

use super::auth::{Auth, AwsScope, Constant, KeyHeader, MAX_TEXT, MemberHeader, Segment, Shape};
use crate::wire::headers::is_free;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `auth` as it is written. Exactly one shape's fields are there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAuth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<WrittenHeader>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basic: Option<WrittenBasic>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aws_sigv4: Option<AwsScope>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    constants: BTreeMap<String, String>,
}

impl WrittenAuth {
    /// The same, with the region in place of `{region}` in a signature's scope.
    pub(super) fn in_region(&self, region: Option<&str>) -> Self {
        let mut filled = self.clone();
        let own = filled
            .aws_sigv4
            .as_mut()
            .and_then(|scope| scope.region.as_mut());
        if let (Some(own), Some(region)) = (own, region) {
            *own = own.replace("{region}", region);
        }
        filled
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader {
    header: String,
    json_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenBasic {
    Username,
    Password,
}

/// Most headers of one credential, and most constants.
const MAX_HEADERS: usize = 8;

/// Reads headers that every request gets.
///
/// # Errors
/// The rule that one of them breaks.
pub(super) fn constants(written: &BTreeMap<String, String>) -> Result<Vec<Constant>, &'static str> {
    if written.len() > MAX_HEADERS {
        return Err("must be at most 8 headers");
    }
    written.iter().map(constant).collect()
}

impl Auth {
    /// Checks what was written. `common` are the provider's own constants, for each of its ways.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn check(written: &WrittenAuth, common: &[Constant]) -> Result<Self, &'static str> {
        let shape = shape(written)?;
        let mut constants = constants(&written.constants)?;
        constants.splice(0..0, common.iter().cloned());
        if constants.iter().any(|(name, _)| shape.takes_header(name)) {
            return Err("must not stand in a header of a constant");
        }
        Ok(Self { shape, constants })
    }
}

fn shape(written: &WrittenAuth) -> Result<Shape, &'static str> {
    const ONE: &str = "must have exactly one of `header`, `headers`, `query`, `basic`, `path` and `aws_sigv4`, with \
        `scheme` only beside `header`, and `username` only beside \"basic\": \"password\"";
    let WrittenAuth {
        header,
        scheme,
        headers,
        query,
        basic,
        username,
        path,
        aws_sigv4,
        constants: _,
    } = written;
    let password = *basic == Some(WrittenBasic::Password);
    if scheme.is_some() && header.is_none() || username.is_some() && !password {
        return Err(ONE);
    }
    match (header, headers, query, basic, path, aws_sigv4) {
        (Some(header), None, None, None, None, None) => Ok(Shape::Header(KeyHeader {
            header: header_name(header)?,
            scheme: scheme.as_deref().map(scheme_text).transpose()?,
        })),
        (None, Some(headers), None, None, None, None) => members(headers),
        (None, None, Some(query), None, None, None) => parameter(query),
        (None, None, None, Some(WrittenBasic::Username), None, None) => Ok(Shape::BasicUsername),
        (None, None, None, Some(WrittenBasic::Password), None, None) => {
            let username = username.as_deref().map(user_name).transpose()?;
            Ok(Shape::BasicPassword(username))
        }
        (None, None, None, None, Some(path), None) => Segment::parse(path).map(Shape::Path),
        (None, None, None, None, None, Some(scope)) => scope.check().map(Shape::AwsSigV4),
        _ => Err(ONE),
    }
}

/// A header that may carry a credential or a constant.
fn header_name(name: &str) -> Result<HeaderName, &'static str> {
    let name: HeaderName = name.parse().map_err(|_| "must name a valid header")?;
    if is_free(&name) {
        return Ok(name);
    }
    Err(
        "must not name a header that is hop-by-hop, that a policy decides on, or that Postern itself writes or drops",
    )
}

fn constant((name, value): (&String, &String)) -> Result<(HeaderName, HeaderValue), &'static str> {
    const RULE: &str = "must have values of 1 to 255 visible characters";
    if value.is_empty() || value.len() > MAX_TEXT {
        return Err(RULE);
    }
    let value = HeaderValue::from_str(value).map_err(|_| RULE)?;
    Ok((header_name(name)?, value))
}

fn scheme_text(scheme: &str) -> Result<String, &'static str> {
    let visible = |b: u8| b.is_ascii_graphic() || b == b' ';
    if (1..=MAX_TEXT).contains(&scheme.len())
        && scheme.bytes().all(visible)
        && scheme.trim() == scheme
    {
        return Ok(scheme.to_owned());
    }
    Err("must have a `scheme` of 1 to 255 visible characters")
}

fn members(headers: &[WrittenHeader]) -> Result<Shape, &'static str> {
    const RULE: &str = "must have 1 to 8 different `headers`, each with a `json_key`";
    let mut members: Vec<MemberHeader> = Vec::with_capacity(headers.len());
    for written in headers {
        let header = header_name(&written.header)?;
        let again = members.iter().any(|other| other.header == header);
        if again || written.json_key.is_empty() || written.json_key.len() > MAX_TEXT {
            return Err(RULE);
        }
        members.push(MemberHeader {
            header,
            json_key: written.json_key.clone(),
        });
    }
    if (1..=MAX_HEADERS).contains(&members.len()) {
        return Ok(Shape::Headers(members));
    }
    Err(RULE)
}

fn parameter(name: &str) -> Result<Shape, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]".contains(&b);
    if (1..=MAX_TEXT).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(Shape::Query(name.to_owned()));
    }
    Err("must have a `query` of 1 to 255 of A-Z a-z 0-9 - . _ ~ [ ]")
}

fn user_name(name: &str) -> Result<String, &'static str> {
    if name.len() <= MAX_TEXT && !name.contains(|c: char| c == ':' || c.is_control()) {
        return Ok(name.to_owned());
    }
    Err("must have a `username` of at most 255 characters without a colon")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(auth: Value) -> Result<Auth, String> {
        let written: WrittenAuth =
            serde_json::from_value(auth).map_err(|error| error.to_string())?;
        Auth::check(&written, &[]).map_err(ToOwned::to_owned)
    }

    #[test]
    fn each_shape_is_read_and_written_back() {
        for auth in [
            json!({"header": "authorization", "scheme": "Bearer"}),
            json!({"header": "private-token"}),
            json!({"query": "key"}),
            json!({"basic": "password", "username": "x-access-token"}),
            json!({"basic": "password"}),
            json!({"basic": "username"}),
            json!({"path": "bot{secret}"}),
            json!({"aws_sigv4": {}}),
            json!({"aws_sigv4": {"service": "bedrock", "region": "eu-central-1"}}),
            json!({"headers": [{"header": "dd-api-key", "json_key": "api"}, {"header": "dd-application-key", "json_key": "app"}]}),
            json!({"header": "authorization", "constants": {"anthropic-beta": "oauth"}}),
        ] {
            check(auth.clone()).unwrap_or_else(|error| panic!("{auth}: {error}"));
            let written: WrittenAuth = serde_json::from_value(auth.clone()).unwrap();
            assert_eq!(serde_json::to_value(written).unwrap(), auth);
        }
    }

    #[test]
    fn what_is_no_shape_is_refused() {
        for auth in [
            json!({}),
            json!({"scheme": "Bearer"}),
            json!({"header": "authorization", "query": "key"}),
            json!({"query": "key", "scheme": "Bearer"}),
            json!({"basic": "username", "username": "u"}),
            json!({"basic": "both"}),
            json!({"basic": "password", "username": "a:b"}),
            json!({"header": "a b"}),
            json!({"header": ""}),
            json!({"header": "connection"}),
            json!({"header": "Host"}),
            json!({"header": "x-postern-worker-token"}),
            json!({"header": "x-forwarded-for"}),
            json!({"header": "cookie"}),
            json!({"header": "content-length"}),
            json!({"header": "x-key", "scheme": "a\r\nb"}),
            json!({"header": "x-key", "scheme": ""}),
            json!({"header": "x-key", "constants": {"x-key": "v"}}),
            json!({"header": "x-key", "constants": {"te": "v"}}),
            json!({"header": "x-key", "constants": {"x": "a\nb"}}),
            json!({"query": ""}),
            json!({"query": "a&b"}),
            json!({"path": "bot"}),
            json!({"path": "bot{secret}/x"}),
            json!({"path": "{secret}{secret}"}),
            json!({"path": "a?{secret}"}),
            json!({"aws_sigv4": {"service": "a/b"}}),
            json!({"aws_sigv4": {"region": ""}}),
            json!({"aws_sigv4": {"other": "x"}}),
            json!({"headers": []}),
            json!({"headers": [{"header": "x", "json_key": ""}]}),
            json!({"headers": [{"header": "x", "json_key": "a"}, {"header": "X", "json_key": "b"}]}),
            json!({"header": "x", "typo": 1}),
        ] {
            assert!(check(auth.clone()).is_err(), "{auth}");
        }
    }
}
