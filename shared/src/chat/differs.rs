//! Webhook calls that another workspace or app of the platform made.

use super::cut::cut;
use super::shown::shown;
use crate::error::{Code, Error};
use crate::id::ConnectionId;

/// Maximum length of an id in the log, in characters.
const MAX_ID: usize = 64;

/// An id that a call names, and that is not the connection's.
#[derive(Debug)]
pub(crate) struct Differs {
    /// The setting that holds the connection's id.
    pub(crate) key: &'static str,
    /// The connection's id.
    pub(crate) configured: String,
    /// The id that the call names, or `none`.
    pub(crate) named: String,
}

impl Differs {
    /// The ids are shortened, and what is invisible in them is replaced.
    pub(crate) fn new(key: &'static str, configured: &str, named: Option<&str>) -> Self {
        let id = |id: &str| cut(&shown(id), MAX_ID, |_| 1);
        Self {
            key,
            configured: id(configured),
            named: id(named.unwrap_or("none")),
        }
    }

    /// Logs that the call is refused, and returns the error for it. The caller learns neither id.
    pub(crate) fn logged(self, connection: &ConnectionId) -> Error {
        tracing::warn!(
            event = "workspace_differs",
            connection_id = connection.as_str(),
            key = self.key,
            configured = self.configured,
            named = self.named,
        );
        Code::InvalidSignature.because("the call is of another workspace or app")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_what_is_invisible_in_them_is_shown() {
        let long = Differs::new("team_id", &"T".repeat(100), Some("T\u{202e}1"));
        assert_eq!(long.configured.chars().count(), MAX_ID);
        assert_eq!(long.named, "T\u{fffd}1");
    }
}
