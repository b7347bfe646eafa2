//! An answer, as the claim writes it.

use super::Choice;
use super::stored::{self, Malformed};
use crate::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a person answered. Its JSON is the same in the database, to the agent, and in a callback. The claim
/// writes every field; only a row that plain SQL wrote may lack those that are optional here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The option's text.
    pub value: String,
    /// Which of the stored options it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Choice>,
    /// The person, as the platform names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// RFC 3339 in UTC, as the database wrote it. It is only passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// What of an approval was shown, as `Approval::digest` says it. A question has none.
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
