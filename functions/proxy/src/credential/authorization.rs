//! The `authorization` header, in the forms in which clients send a key.

use super::place::Form;
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use postern::authority::placeholder::{Placeholder, Presented, mentions};
use postern::authority::token;
use postern::provider::AwsScope;
use postern::{Code, Error};

/// HTTP Basic's base64, with or without padding.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const SIGNATURE: &str = "AWS4-HMAC-SHA256";

/// What an `authorization` header holds.
pub(super) enum Authorization {
    /// A placeholder, alone or behind a scheme.
    Key {
        placeholder: Placeholder,
        form: Form,
    },
    /// HTTP Basic with one or two placeholders.
    Basic {
        /// The user name, where only the password is a placeholder.
        username: Option<String>,
        keys: Vec<Placeholder>,
    },
    /// An AWS signature whose access key id is a placeholder.
    Signature {
        placeholder: Placeholder,
        scope: AwsScope,
    },
    WorkerToken(String),
    /// Nothing of ours. It is not forwarded.
    Nothing,
}

impl Authorization {
    /// # Errors
    /// `None` where it mentions a placeholder in another form; an error that says more where it is known.
    pub(super) fn read(value: &[u8]) -> Result<Self, Option<Error>> {
        let text = std::str::from_utf8(value).unwrap_or_default().trim();
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") && !mentions(value) {
            return basic(rest);
        }
        if scheme.eq_ignore_ascii_case(SIGNATURE) && mentions(value) {
            return signature(rest);
        }
        if mentions(value) {
            let (placeholder, form) = Form::of(value).ok_or(None)?;
            return Ok(Self::Key { placeholder, form });
        }
        if scheme.eq_ignore_ascii_case("bearer") && token::claims_to_be_ours(rest) {
            return Ok(Self::WorkerToken(rest.to_owned()));
        }
        Ok(Self::Nothing)
    }
}

/// RFC 7617: `base64(user:password)`.
fn basic(encoded: &str) -> Result<Authorization, Option<Error>> {
    let Ok(decoded) = BASIC.decode(encoded) else {
        return Ok(Authorization::Nothing);
    };
    let colon = decoded.iter().position(|byte| *byte == b':');
    let (user, password) = match colon {
        Some(at) => (&decoded[..at], &decoded[at + 1..]),
        None => (decoded.as_slice(), b"".as_slice()),
    };
    let mut keys = Vec::new();
    for part in [user, password] {
        match Placeholder::read(part) {
            Presented::Placeholder(placeholder) => keys.push(placeholder),
            Presented::Misplaced => return Err(None),
            Presented::Other if mentions(part) => return Err(None),
            Presented::Other => {}
        }
    }
    if keys.is_empty() {
        return Ok(Authorization::Nothing);
    }
    let user = std::str::from_utf8(user).ok();
    let is_free = |user: &&str| !mentions(user.as_bytes()) && !token::claims_to_be_ours(user);
    let username = user.filter(|user| !user.is_empty()).filter(is_free);
    Ok(Authorization::Basic {
        username: username.map(ToOwned::to_owned),
        keys,
    })
}

/// `Credential={key id}/{date}/{region}/{service}/aws4_request, SignedHeaders=..., Signature=...`
fn signature(parameters: &str) -> Result<Authorization, Option<Error>> {
    const RULE: &str =
        "the scope of an AWS signature must be <date>/<region>/<service>/aws4_request";
    let parameters = parameters.split(',').map(str::trim);
    let others = parameters.clone();
    let mut values = parameters.filter_map(|parameter| parameter.strip_prefix("Credential="));
    let (Some(credential), None) = (values.next(), values.next()) else {
        return Err(None);
    };
    // One in another parameter would not be looked at.
    let others = others.filter(|parameter| !parameter.starts_with("Credential="));
    if others
        .into_iter()
        .any(|parameter| mentions(parameter.as_bytes()))
    {
        return Err(None);
    }
    let (id, scope) = credential.split_once('/').ok_or(None)?;
    let Presented::Placeholder(placeholder) = Placeholder::read(id.as_bytes()) else {
        return Err(None);
    };
    let odd = || Some(Error::new(Code::InvalidRequest, RULE));
    let parts: Vec<&str> = scope.split('/').collect();
    let [date, region, service, "aws4_request"] = parts.as_slice() else {
        return Err(odd());
    };
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    if !is_date
        || ![region, service]
            .into_iter()
            .all(|part| AwsScope::is_part(part))
    {
        return Err(odd());
    }
    Ok(Authorization::Signature {
        placeholder,
        scope: AwsScope {
            service: Some((*service).to_owned()),
            region: Some((*region).to_owned()),
        },
    })
}
