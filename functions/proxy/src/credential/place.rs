//! Where a placeholder stands in a request, and whether a provider takes it there.

use http::{HeaderName, header::AUTHORIZATION};
use postern::authority::placeholder::{MARK, Placeholder, Presented};
use postern::provider::Provider;
use std::fmt;

/// A place in which a placeholder stood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Header(HeaderName, Form),
    /// The query parameter of this name.
    Query(String),
    /// The path's first segment, which is this text, decoded.
    Segment(String),
    /// The form field of this name.
    FormField(String),
}

/// How a header holds a placeholder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bare,
    /// Behind a scheme, such as `Bearer`, or `Token token=`.
    Behind(String),
    /// In HTTP Basic.
    Basic,
    /// As the access key id of an AWS signature.
    Signature,
}

impl Form {
    /// Reads a header's value that mentions a placeholder. `None` where it is not whole, or not at the end.
    pub(crate) fn of(value: &[u8]) -> Option<(Placeholder, Self)> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let placeholder = |text: &str| match Placeholder::read(text.as_bytes()) {
            Presented::Placeholder(placeholder) => Some(placeholder),
            Presented::Misplaced | Presented::Other => None,
        };
        if let Some(placeholder) = placeholder(text) {
            return Some((placeholder, Self::Bare));
        }
        // The placeholder's own prefix holds neither a space nor an equals sign.
        let at = text.find(MARK)?;
        let end = text[..at].rfind([' ', '='])? + 1;
        let (scheme, rest) = text.split_at(end);
        let scheme = Self::Behind(scheme.trim_end().to_owned());
        Some((placeholder(rest)?, scheme))
    }
}

impl Place {
    /// Whether this provider takes a placeholder here.
    pub(crate) fn is_of(&self, provider: &Provider) -> bool {
        match self {
            Self::Header(name, Form::Bare) => provider.takes_key_in(name),
            // Schemes are compared without regard to case (RFC 9110 section 11.1).
            Self::Header(name, Form::Behind(scheme)) => {
                let is = |own: &str| own.eq_ignore_ascii_case(scheme);
                let common = *name == AUTHORIZATION && ["bearer", "token"].into_iter().any(is);
                common || provider.schemes_in(name).any(is)
            }
            Self::Header(_, Form::Basic) => true,
            Self::Header(_, Form::Signature) => provider.takes_signatures(),
            Self::Query(name) => provider.takes_key_in_query(name),
            Self::Segment(text) => {
                let inside = provider.key_segment().and_then(|own| own.read(text));
                inside.is_some_and(|inside| {
                    matches!(
                        Placeholder::read(inside.as_bytes()),
                        Presented::Placeholder(_)
                    )
                })
            }
            Self::FormField(name) => provider.form_field() == Some(name),
        }
    }
}

impl fmt::Display for Place {
    /// Only names that the client chose, cut short. What else stood in a place may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, Form::Bare) => write!(f, "the header `{}`", cut(name.as_str())),
            Self::Header(name, Form::Behind(_)) => {
                let name = cut(name.as_str());
                write!(f, "the header `{name}`, behind a scheme or another text")
            }
            Self::Header(name, Form::Basic) => write!(f, "the header `{name}`, in HTTP Basic"),
            Self::Header(name, Form::Signature) => {
                write!(f, "the header `{name}`, in an AWS signature")
            }
            Self::Query(name) => write!(f, "the query parameter `{}`", cut(name)),
            Self::Segment(_) => f.write_str("the path"),
            Self::FormField(name) => write!(f, "the form field `{}`", cut(name)),
        }
    }
}

/// The beginning of a name.
pub(super) fn cut(name: &str) -> &str {
    const MOST: usize = 64;
    name.char_indices()
        .nth(MOST)
        .map_or(name, |(at, _)| &name[..at])
}
