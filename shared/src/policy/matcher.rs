//! Which requests a rule is for.

use super::path::PathReading;
use super::target::Reading;
use crate::host::HostName;

/// Which requests a rule is for. Two rules whose matchers are equal are for the very same requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Matcher {
    /// The hosts.
    pub host: HostPattern,
    /// The methods, in upper case and sorted; `None` is any method.
    pub methods: Option<Vec<String>>,
    /// The beginning of the path; `None` is any path.
    pub path: Option<PathPrefix>,
}

/// Which hosts a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum HostPattern {
    /// This host alone.
    Exactly(HostName),
    /// Every name below this one, and not itself.
    Below(HostName),
}

/// The beginning of a path, without a slash at its end. It ends where a segment ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PathPrefix {
    exact: Box<str>,
    lower: Box<str>,
}

/// Whether a rule is for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// It is not.
    No,
    /// Some server may read the request so, or a tunnel hides what would tell.
    Maybe,
    /// It is.
    Yes,
}

impl Matcher {
    /// Whether the rule is for a request of this reading, whose host it is for.
    pub(super) fn matches(&self, reading: Reading<'_>) -> Match {
        let Self {
            // Rules are found by their hosts.
            host: _,
            methods,
            path,
        } = self;
        let method = match (methods, reading.method) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Maybe,
            (Some(own), Some(method)) if own.iter().any(|own| own == method) => Match::Yes,
            (Some(_), Some(_)) => Match::No,
        };
        let path = match (path, reading.path) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Maybe,
            (Some(prefix), Some(path)) => prefix.matches(path),
        };
        method.and(path)
    }
}

impl PathPrefix {
    /// A prefix without a slash at its end.
    pub(super) fn new(exact: &str) -> Self {
        Self {
            exact: exact.into(),
            lower: exact.to_lowercase().into(),
        }
    }

    fn matches(&self, path: &PathReading) -> Match {
        if !begins(&path.lower, &self.lower) {
            // Accents are written in more than one way, and some servers take them for the same.
            return if self.lower.is_ascii() || path.lower.is_ascii() {
                Match::No
            } else {
                Match::Maybe
            };
        }
        if begins(&path.exact, &self.exact) {
            Match::Yes
        } else {
            // Some servers take upper and lower case for the same.
            Match::Maybe
        }
    }
}

impl Match {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::Maybe, Self::Maybe | Self::Yes) | (Self::Yes, Self::Maybe) => Self::Maybe,
        }
    }
}

/// Whether the path begins with the prefix, which ends where a segment ends. Where the prefix ends, and how,
/// is compared first: it tells most prefixes apart.
fn begins(path: &str, prefix: &str) -> bool {
    let (path, prefix) = (path.as_bytes(), prefix.as_bytes());
    let Some(last) = prefix.len().checked_sub(1) else {
        return true;
    };
    let boundary = path.get(prefix.len()).is_none_or(|next| *next == b'/');
    boundary && path.get(last) == prefix.last() && path.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let prefix = PathPrefix::new("/v1/Chat");
        let matches = |path: &str| prefix.matches(&PathReading::new(path.into()));
        for (path, found) in [
            ("/v1/Chat", Match::Yes),
            ("/v1/Chat/x", Match::Yes),
            ("/v1/chat/x", Match::Maybe),
            ("/v1/Chats", Match::No),
            ("/v1", Match::No),
            ("/x/v1/Chat", Match::No),
            ("/v1/Ch\u{e4}t", Match::No),
        ] {
            assert_eq!(matches(path), found, "{path}");
        }
        let accented = PathPrefix::new("/caf\u{e9}");
        let decomposed = PathReading::new("/cafe\u{301}".into());
        assert_eq!(accented.matches(&decomposed), Match::Maybe);
        assert_eq!(
            accented.matches(&PathReading::new("/cafe".into())),
            Match::No
        );
    }
}
