//! How a provider takes a credential: the shapes of `auth`.

use crate::literal::literals;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

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

/// A header with its value.
pub(super) type Constant = (HeaderName, HeaderValue);

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

/// Most characters of a name, a scheme, a user name or a constant.
pub(super) const MAX_TEXT: usize = 255;

impl Segment {
    const MARK: &str = "{secret}";

    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must have a `path` of one segment with {secret} once, such as bot{secret}, else of A-Z a-z 0-9 - . _ ~";
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

    pub(super) fn check(&self) -> Result<Self, &'static str> {
        let mut parts = self.service.iter().chain(&self.region);
        if parts.all(|part| Self::is_part(part)) {
            return Ok(self.clone());
        }
        Err("must have a `service` and a `region` of 1 to 64 of a-z 0-9 -")
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

    #[test]
    fn a_way_to_present_a_credential_is_read_back_from_its_name() {
        crate::literal::assert_read_back(&AuthType::ALL, AuthType::as_str);
    }
}
