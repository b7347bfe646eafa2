//! A person's answer, as the claim writes it.

use super::Choice;
use super::stored::{self, Malformed};
use crate::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A person's answer. Its JSON is the same in the database, in the API and in callbacks. The claim always writes
/// the first four fields; only a row that was written by hand may lack the optional ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The text of the option that was chosen.
    pub value: String,
    /// The index of that option, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Choice>,
    /// The person who answered, by the platform's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// When it was answered: RFC 3339 in UTC, as the database wrote it. Postern does not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// The digest of the approval that was shown (`Approval::digest`); `None` for a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl TryFrom<Value> for Answer {
    type Error = Malformed;

    fn try_from(stored: Value) -> Result<Self, Malformed> {
        stored::read("answer", &stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_the_same_json_before_and_after() {
        let mut stored = json!({"value": "Yes", "index": 0, "user_id": "U1", "answered_at": "2026-01-02T03:04:05.100Z"});
        for digest in [None, Some("d")] {
            if let Some(digest) = digest {
                stored["digest"] = digest.into();
            }
            let answer = Answer::try_from(stored.clone()).unwrap();
            assert_eq!(json!(answer), stored);
        }
    }

    #[test]
    fn an_answer_that_plain_sql_wrote_needs_only_its_value() {
        let stored = json!({"value": "Yes"});
        assert_eq!(json!(Answer::try_from(stored.clone()).unwrap()), stored);
    }

    #[test]
    fn a_malformed_answer_is_an_error_that_names_the_field_and_not_the_value() {
        let whole = json!({"value": "Yes", "index": 0, "user_id": "U1", "answered_at": "x"});
        for (field, value) in [
            ("value", json!(["private"])),
            ("index", json!("private")),
            ("index", json!(256)),
            ("user_id", json!("private text")),
            ("answered_at", json!(7)),
        ] {
            let mut stored = whole.clone();
            stored[field] = value;
            let error = Answer::try_from(stored.clone()).unwrap_err().to_string();
            assert!(
                error.contains(field) && !error.contains("private"),
                "{error}"
            );
        }
        assert!(Answer::try_from(json!({"index": 0})).is_err());
        for stored in [Value::Null, json!("private"), json!([])] {
            let error = Answer::try_from(stored).unwrap_err().to_string();
            assert!(!error.contains("private"), "{error}");
        }
    }
}
