//! How a provider takes a credential: the shapes of `auth`, read from JSON once and checked.

use crate::literal::literals;
use crate::wire::headers::is_free;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which of a provider's two ways a credential takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AuthType {
    /// As an API key.
    ApiKey,
    /// As an OAuth access token.
    OAuth,
}

literals! {
    AuthType {
        ApiKey = "api_key",
        OAuth = "oauth",
    }
}

/// How a request carries a credential.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Where the credential stands.
    pub shape: Shape,
    /// Headers that every request gets. A value is appended where the client sent a list.
    pub constants: Vec<(HeaderName, HeaderValue)>,
}

/// Where a credential stands in a request.
#[derive(Debug, Clone)]
pub enum Shape {
    /// In one header.
    Header(KeyHeader),
    /// In several headers, each with a member of the secret's JSON object.
    Headers(Vec<MemberHeader>),
    /// In a query parameter of this name.
    Query(String),
    /// As the password of HTTP Basic, with this user name; `None` for the client's own.
    BasicPassword(Option<String>),
    /// As the user name of HTTP Basic, with an empty password.
    BasicUsername,
    /// In the path's first segment.
    Path(Segment),
    /// AWS Signature Version 4.
    AwsSigV4(AwsScope),
}

/// A header with a credential.
#[derive(Debug, Clone)]
pub struct KeyHeader {
    /// Its name.
    pub header: HeaderName,
    /// What stands before the secret, such as `Bearer`.
    pub scheme: Option<String>,
}

/// A header with one member of a JSON secret.
#[derive(Debug, Clone)]
pub struct MemberHeader {
    /// Its name.
    pub header: HeaderName,
    /// The member's name.
    pub json_key: String,
}

/// The segment that holds a credential, such as `bot{secret}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// What stands before it.
    pub before: String,
    /// What stands after it.
    pub after: String,
}

/// The scope of an AWS signature. What is `None` is the client's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsScope {
    /// Such as `bedrock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Such as `eu-central-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

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
/// Most characters of a name, a scheme, a user name or a constant.
const MAX_TEXT: usize = 255;

impl Auth {
    /// Checks what was written. `constants` are the provider's own, for each of its ways.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn check(
        written: &WrittenAuth,
        constants: &BTreeMap<String, String>,
    ) -> Result<Self, &'static str> {
        let constants = constants.iter().chain(&written.constants);
        let constants: Vec<_> = constants.map(constant).collect::<Result<_, _>>()?;
        if constants.len() > MAX_HEADERS {
            return Err("at most 8 constants are added to a request");
        }
        let shape = shape(written)?;
        let taken = |name: &HeaderName| shape.takes_header(name);
        if constants.iter().any(|(name, _)| taken(name)) {
            return Err("a constant must not stand in the credential's header");
        }
        Ok(Self { shape, constants })
    }
}

fn shape(written: &WrittenAuth) -> Result<Shape, &'static str> {
    const ONE: &str = "an auth has exactly one of `header`, `headers`, `query`, `basic`, `path` and `aws_sigv4`, with \
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
    let name: HeaderName = name.parse().map_err(|_| "a header's name is not valid")?;
    if is_free(&name) {
        return Ok(name);
    }
    Err(
        "a header that is hop-by-hop, or that Postern itself writes or drops, carries no credential and no constant",
    )
}

fn constant((name, value): (&String, &String)) -> Result<(HeaderName, HeaderValue), &'static str> {
    const RULE: &str = "a constant is a header's value of 1 to 255 visible characters";
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
    Err("a scheme is 1 to 255 visible characters")
}

fn members(headers: &[WrittenHeader]) -> Result<Shape, &'static str> {
    const RULE: &str = "`headers` are 1 to 8 different ones, each with a `json_key`";
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
    Err("a query parameter's name is 1 to 255 of A-Z a-z 0-9 - . _ ~ [ ]")
}

fn user_name(name: &str) -> Result<String, &'static str> {
    if name.len() <= MAX_TEXT && !name.contains(|c: char| c == ':' || c.is_control()) {
        return Ok(name.to_owned());
    }
    Err("a user name of HTTP Basic has at most 255 characters and no colon")
}

impl Segment {
    const MARK: &str = "{secret}";

    fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "a path is one segment with {secret} once, such as bot{secret}, else of A-Z a-z 0-9 - . _ ~";
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let (before, after) = text.split_once(Self::MARK).ok_or(RULE)?;
        let whole = before.len() + after.len() <= MAX_TEXT;
        if whole && before.bytes().chain(after.bytes()).all(plain) {
            return Ok(Self {
                before: before.to_owned(),
                after: after.to_owned(),
            });
        }
        Err(RULE)
    }

    /// The segment with this in the credential's place.
    pub fn with(&self, credential: &str) -> String {
        format!("{}{credential}{}", self.before, self.after)
    }

    /// The segment without the credential, as policies see it; `-` where nothing else is left.
    pub fn shown(&self) -> String {
        let rest = self.with("");
        if rest.bytes().all(|byte| byte == b'.') {
            return "-".into();
        }
        rest
    }

    /// What stands in the credential's place.
    pub fn read<'a>(&self, segment: &'a str) -> Option<&'a str> {
        segment
            .strip_prefix(self.before.as_str())?
            .strip_suffix(self.after.as_str())
    }
}

impl AwsScope {
    /// Whether a text can be a part of a credential's scope.
    pub fn is_part(text: &str) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=64).contains(&text.len()) && text.bytes().all(plain)
    }

    fn check(&self) -> Result<Self, &'static str> {
        let mut parts = self.service.iter().chain(&self.region);
        if parts.all(|part| Self::is_part(part)) {
            return Ok(self.clone());
        }
        Err("service and region are 1 to 64 of a-z 0-9 -")
    }
}

impl Shape {
    /// Whether the credential stands in this header.
    pub fn takes_header(&self, name: &HeaderName) -> bool {
        match self {
            Self::Header(own) => own.header == name,
            Self::Headers(own) => own.iter().any(|own| own.header == name),
            Self::BasicPassword(_) | Self::BasicUsername | Self::AwsSigV4(_) => {
                name == http::header::AUTHORIZATION
            }
            Self::Query(_) | Self::Path(_) => false,
        }
    }

    /// Whether it is HTTP Basic.
    pub fn is_basic(&self) -> bool {
        matches!(self, Self::BasicPassword(_) | Self::BasicUsername)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(auth: Value) -> Result<Auth, String> {
        let written: WrittenAuth =
            serde_json::from_value(auth).map_err(|error| error.to_string())?;
        Auth::check(&written, &BTreeMap::new()).map_err(ToOwned::to_owned)
    }

    #[test]
    fn a_way_to_present_a_credential_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&AuthType::ALL, AuthType::as_str);
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
