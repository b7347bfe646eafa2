//! The request to ask a person, checked field by field.

use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::question::approval::{self, Approval, Subject, Tool};
use crate::question::{CallbackAddress, CallbackUrl, Content, Payload, Place};
use crate::wire::AllowedPrivate;
use serde_json::{Map, Value};

/// Maximum number of options.
const MAX_OPTIONS: usize = 25;
/// Maximum length of an option, in characters.
const MAX_OPTION: usize = 75;
/// Maximum length of a question, in characters.
const MAX_QUESTION: usize = 3000;
/// Maximum size of an approval's arguments, in bytes of JSON.
const MAX_ARGS: usize = 64 * 1024;

/// A question or an approval within the limits of `docs/api.md`.
#[derive(Debug)]
pub struct Ask {
    id: InteractionId,
    content: Content,
    callback: Option<CallbackAddress>,
    /// The other fields of the body, which are stored too.
    rest: Map<String, Value>,
}

/// Fields that are ignored in the body: the token alone decides where the question is asked.
const FROM_THE_TOKEN: [&str; 3] = ["channel_id", "conversation_id", "team_id"];

impl Ask {
    /// Reads the body of `POST /v1/interactions`. `allowed` lists the private addresses that `callback_url` may
    /// name.
    ///
    /// # Errors
    /// `invalid_json`, or `invalid_request` with the name of the field.
    pub fn parse(body: &[u8], allowed: &AllowedPrivate) -> Result<Self, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Code::InvalidJson)?;
        let Value::Object(mut fields) = body else {
            return Err(Error::new(
                Code::InvalidRequest,
                "the body must be a JSON object",
            ));
        };
        // Postgres cannot store NUL, and a person cannot see it.
        if let Some(name) = fields.iter().find_map(|(name, value)| {
            let shown = || {
                name.chars()
                    .filter(|c| *c != '\0')
                    .take(64)
                    .collect::<String>()
            };
            (name.contains('\0') || holds_nul(value)).then(shown)
        }) {
            return Err(Error::field(&name, "must not hold a NUL character"));
        }
        let id = string(&fields, "id")?;
        let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
        if id.as_str().starts_with(approval::OWN_IDS) {
            return Err(Error::field(
                "id",
                format_args!("must not begin with {}", approval::OWN_IDS),
            ));
        }
        let content = match string(&fields, "kind")? {
            "question" => question(&mut fields)?,
            "approval" => Content::Approval(approval(&mut fields)?),
            _ => return Err(Error::field("kind", "must be `question` or `approval`")),
        };
        let callback = callback(fields.remove("callback_url"), allowed)?;
        fields.retain(|name, _| name != "kind" && !FROM_THE_TOKEN.contains(&name.as_str()));
        Ok(Self {
            id,
            content,
            callback,
            rest: fields,
        })
    }

    /// The id that the agent chose.
    pub fn id(&self) -> &InteractionId {
        &self.id
    }

    /// The digest of an approval; `None` for a question.
    pub fn digest(&self) -> Option<String> {
        self.content.digest()
    }

    /// The address to which the agent wants the outcome delivered. Its policies must still allow it.
    pub fn callback(&self) -> Option<&CallbackAddress> {
        self.callback.as_ref()
    }

    /// The payload to store: the body, the place that the token names, and the callback address that the agent's
    /// policies allow.
    pub fn payload(&self, place: Place, callback: Option<&CallbackUrl>) -> Payload {
        Payload::new(self.content.clone(), place, callback, self.rest.clone())
    }
}

fn question(fields: &mut Map<String, Value>) -> Result<Content, Error> {
    let question = text(string(fields, "question")?, "question", MAX_QUESTION)?;
    let options = options(fields)?;
    fields.retain(|name, _| name != "question" && name != "options");
    Ok(Content::Question { question, options })
}

fn approval(fields: &mut Map<String, Value>) -> Result<Approval, Error> {
    let tool: Tool = string(fields, "tool")?
        .parse()
        .map_err(|rule| Error::field("tool", rule))?;
    fields.remove("tool");
    let args = fields.remove("args").unwrap_or_else(approval::no_arguments);
    if args.to_string().len() > MAX_ARGS {
        return Err(Error::field(
            "args",
            format_args!("must be at most {MAX_ARGS} bytes of JSON"),
        ));
    }
    let subject = Subject::Tool(tool);
    Ok(Approval { subject, args })
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn callback(
    url: Option<Value>,
    allowed: &AllowedPrivate,
) -> Result<Option<CallbackAddress>, Error> {
    match url {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(url)) => CallbackAddress::parse(&url, allowed)
            .map(Some)
            .map_err(|rule| Error::field("callback_url", rule)),
        Some(_) => Err(Error::field("callback_url", "must be a string")),
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
    Ok(value.to_owned())
}

fn options(fields: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let rule = || {
        Error::field(
            "options",
            format_args!("must be 1 to {MAX_OPTIONS} strings"),
        )
    };
    let list = fields
        .get("options")
        .and_then(Value::as_array)
        .ok_or_else(rule)?;
    if list.is_empty() || list.len() > MAX_OPTIONS {
        return Err(rule());
    }
    list.iter()
        .map(|option| text(option.as_str().ok_or_else(rule)?, "options", MAX_OPTION))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChannelId, ConversationId};
    use serde_json::json;

    fn parse(body: &[u8]) -> Result<Ask, Error> {
        Ask::parse(body, &AllowedPrivate::default())
    }

    fn approval() -> Value {
        json!({"id": "a-1", "kind": "approval", "tool": "git/push", "args": {"branch": "main"}})
    }

    fn whole() -> Value {
        json!({"id": "q-1", "kind": "question", "question": "Deploy?", "options": ["Yes", "No"]})
    }

    #[test]
    fn a_question_within_its_bounds_is_taken() {
        let mut body = whole();
        body["question"] = "é".repeat(3000).into();
        body["options"] = vec!["é".repeat(75); 25].into();
        body["callback_url"] = "https://agents.example.com:8443/answers?of=1".into();
        assert!(parse(body.to_string().as_bytes()).is_ok());
        assert!(parse(approval().to_string().as_bytes()).is_ok());
    }

    #[test]
    fn each_field_out_of_its_bounds_is_named() {
        let cases = [
            ("id", json!("a b")),
            ("id", json!("x".repeat(49))),
            ("id", json!(1)),
            ("id", json!("egress.x")),
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
            ("callback_url", json!("http://example.com")),
            ("callback_url", json!("https://127.0.0.1/")),
            ("callback_url", json!("https://[::1]/")),
            ("callback_url", json!("https://169.254.169.254/latest")),
            ("callback_url", json!("https://2130706433/")),
            ("callback_url", json!("https://user@example.com/")),
            ("callback_url", json!("https://example.com/#x")),
            ("callback_url", json!("/relative")),
            ("callback_url", json!("")),
            ("callback_url", json!(1)),
            (
                "callback_url",
                json!(format!("https://example.com/{}", "x".repeat(2048))),
            ),
        ];
        let of_approvals = [
            ("tool", json!("git")),
            ("tool", json!("git/*")),
            ("tool", json!("*/push")),
            ("tool", json!("git/push/now")),
            ("tool", json!("../push")),
            ("tool", json!("git/..")),
            ("tool", json!("./push")),
            ("tool", json!("git/pu sh")),
            ("tool", Value::Null),
            ("args", json!({"x": "y".repeat(70_000)})),
            ("args", json!({"x": "a\0b"})),
        ];
        let cases = cases.map(|case| (whole(), case)).into_iter();
        let cases = cases.chain(of_approvals.map(|case| (approval(), case)));
        for (mut body, (field, value)) in cases {
            body[field] = value.clone();
            let error = parse(body.to_string().as_bytes()).unwrap_err();
            assert!(
                error.code == Code::InvalidRequest && error.message().contains(field),
                "{field} {value}"
            );
        }
    }

    #[test]
    fn the_body_is_kept_whole_but_for_where_it_is_asked() {
        let place = Place {
            channel: ChannelId::parse("C1").unwrap(),
            conversation: ConversationId::parse("1.2").unwrap(),
            team: None,
        };
        let stored = |body: &Value| {
            let ask = parse(body.to_string().as_bytes()).unwrap();
            json!(ask.payload(place.clone(), None))
        };
        for mut body in [whole(), approval()] {
            body["note"] = json!({"ours": true});
            body["args"] = json!({"pattern": "\\u0000"});
            body["tool"] = "git/push".into();
            body["callback_url"] = Value::Null;
            body["team_id"] = "T-forged".into();
            body["channel_id"] = "C-forged".into();
            let mut expected = body.clone();
            expected["channel_id"] = "C1".into();
            expected["conversation_id"] = "1.2".into();
            for gone in ["callback_url", "team_id"] {
                expected.as_object_mut().unwrap().remove(gone);
            }
            assert_eq!(stored(&body), expected);
        }
        let mut bare = approval();
        bare.as_object_mut().unwrap().remove("args");
        assert_eq!(stored(&bare)["args"], json!({}));
        let mut empty = bare.clone();
        empty["args"] = json!({});
        let digest = |body: &Value| parse(body.to_string().as_bytes()).unwrap().digest();
        assert_eq!(digest(&bare), digest(&empty));
        assert_eq!(digest(&whole()), None);
        bare["\0\0"] = json!(1);
        assert!(parse(bare.to_string().as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for (body, code) in [
            ("{", Code::InvalidJson),
            ("", Code::InvalidJson),
            ("[]", Code::InvalidRequest),
            ("\u{0}", Code::InvalidJson),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().code, code, "{body}");
        }
    }
}
