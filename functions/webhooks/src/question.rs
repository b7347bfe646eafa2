//! A question as an agent sends it, checked field by field.

use postern::scope::Conversation;
use postern::{Code, Error, InteractionId};
use serde_json::{Map, Value, json};

const MOST_OPTIONS: usize = 25;
const LONGEST_OPTION: usize = 75;
const LONGEST_QUESTION: usize = 3000;

/// A question whose text and options obey the contract's bounds.
#[derive(Debug)]
pub struct Question {
    pub id: InteractionId,
    pub text: String,
    pub options: Vec<String>,
}

impl Question {
    /// # Errors
    /// `invalid_json`, or `invalid_request` that names the field.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Code::InvalidJson)?;
        let Value::Object(fields) = body else {
            return Err(Error::new(
                Code::InvalidRequest,
                "the body must be a JSON object",
            ));
        };
        let id = string(&fields, "id")?;
        let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
        if string(&fields, "kind")? != "question" {
            return Err(Error::field("kind", "must be `question`"));
        }
        if fields.get("callback_url").is_some_and(|url| !url.is_null()) {
            return Err(Error::field(
                "callback_url",
                "is not supported yet; read the answer with GET /v1/interactions/{id}?wait=20",
            ));
        }
        let text = text(string(&fields, "question")?, "question", LONGEST_QUESTION)?;
        Ok(Self {
            id,
            text,
            options: options(&fields)?,
        })
    }

    /// What is stored: the body, with where the token says that it is asked.
    pub fn payload(&self, conversation: &Conversation) -> Value {
        let mut payload = json!({
            "id": self.id,
            "kind": "question",
            "question": self.text,
            "options": self.options,
            "channel_id": conversation.channel(),
            "conversation_id": conversation.conversation(),
        });
        if let Some(team) = conversation.team() {
            payload["team_id"] = team.into();
        }
        payload
    }
}

fn string<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Error> {
    match fields.get(name) {
        Some(Value::String(value)) => Ok(value),
        Some(_) => Err(Error::field(name, "must be a string")),
        None => Err(Error::field(name, "is required")),
    }
}

fn text(value: &str, name: &str, longest: usize) -> Result<String, Error> {
    if value.trim().is_empty() || value.chars().count() > longest {
        return Err(Error::field(
            name,
            format_args!("must be 1 to {longest} characters"),
        ));
    }
    // Postgres stores no NUL, and a person sees none.
    if value.contains('\0') {
        return Err(Error::field(name, "must not hold a NUL character"));
    }
    Ok(value.to_owned())
}

fn options(fields: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let rule = || {
        Error::field(
            "options",
            format_args!("must be 1 to {MOST_OPTIONS} strings"),
        )
    };
    let list = fields
        .get("options")
        .and_then(Value::as_array)
        .ok_or_else(rule)?;
    if list.is_empty() || list.len() > MOST_OPTIONS {
        return Err(rule());
    }
    list.iter()
        .map(|option| text(option.as_str().ok_or_else(rule)?, "options", LONGEST_OPTION))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Value {
        json!({"id": "q-1", "kind": "question", "question": "Deploy?", "options": ["Yes", "No"]})
    }

    #[test]
    fn a_question_within_its_bounds_is_taken() {
        let mut body = whole();
        body["question"] = "é".repeat(3000).into();
        body["options"] = vec!["é".repeat(75); 25].into();
        assert_eq!(
            Question::parse(body.to_string().as_bytes())
                .unwrap()
                .options
                .len(),
            25
        );
    }

    #[test]
    fn each_field_out_of_its_bounds_is_named() {
        let cases = [
            ("id", json!("a b")),
            ("id", json!("x".repeat(49))),
            ("id", json!(1)),
            ("id", Value::Null),
            ("kind", json!("other")),
            ("question", json!("")),
            ("question", json!("x".repeat(3001))),
            ("question", json!("a\0b")),
            ("options", json!([])),
            ("options", json!(vec!["x"; 26])),
            ("options", json!(["x".repeat(76)])),
            ("options", json!([""])),
            ("options", json!([1])),
            ("options", json!({"a": 1})),
            ("callback_url", json!("https://example.com")),
        ];
        for (field, value) in cases {
            let mut body = whole();
            body[field] = value.clone();
            let error = Question::parse(body.to_string().as_bytes()).unwrap_err();
            assert!(
                error.code == Code::InvalidRequest && error.message().contains(field),
                "{field} {value}"
            );
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for (body, code) in [
            ("{", Code::InvalidJson),
            ("", Code::InvalidJson),
            ("[]", Code::InvalidRequest),
            ("\u{0}", Code::InvalidJson),
        ] {
            assert_eq!(
                Question::parse(body.as_bytes()).unwrap_err().code,
                code,
                "{body}"
            );
        }
    }
}
