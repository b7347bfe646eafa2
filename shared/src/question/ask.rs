//! What an agent asks of a person, checked field by field.

use crate::authority::scope::Conversation;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::question::approval;
use crate::question::{CallbackAddress, CallbackUrl};
use crate::wire::AllowedPrivate;
use serde_json::{Map, Value, json};

const MAX_OPTIONS: usize = 25;
const MAX_OPTION: usize = 75;
const MAX_QUESTION: usize = 3000;
/// Most that an approval's arguments may be, in bytes of JSON.
const MAX_ARGS: usize = 64 * 1024;

/// A question or an approval that obeys the contract's bounds.
#[derive(Debug)]
pub struct Ask {
    id: InteractionId,
    /// The body, as it is stored, but for the callback's address.
    fields: Map<String, Value>,
    callback: Option<CallbackAddress>,
    digest: Option<String>,
}

/// What says where it is asked comes from the token, never from the body.
const FROM_THE_TOKEN: [&str; 3] = ["channel_id", "conversation_id", "team_id"];

impl Ask {
    /// # Errors
    /// `invalid_json`, or `invalid_request` that names the field.
    pub fn parse(body: &[u8], allowed: &AllowedPrivate) -> Result<Self, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Code::InvalidJson)?;
        let Value::Object(mut fields) = body else {
            return Err(Error::new(
                Code::InvalidRequest,
                "the body must be a JSON object",
            ));
        };
        // Postgres stores no NUL, and a person sees none.
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
        let digest = match string(&fields, "kind")? {
            "question" => {
                text(string(&fields, "question")?, "question", MAX_QUESTION)?;
                options(&fields)?;
                None
            }
            "approval" => {
                fields.entry("args").or_insert_with(|| json!({}));
                let tool = tool(string(&fields, "tool")?)?;
                Some(approval::digest(tool, args(&fields)?))
            }
            _ => return Err(Error::field("kind", "must be `question` or `approval`")),
        };
        let callback = callback(fields.remove("callback_url"), allowed)?;
        fields.retain(|name, _| !FROM_THE_TOKEN.contains(&name.as_str()));
        Ok(Self {
            id,
            fields,
            callback,
            digest,
        })
    }

    pub fn id(&self) -> &InteractionId {
        &self.id
    }

    /// What an approval's answer is bound to.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Where the agent wants its outcome, if its policies allow it.
    pub fn callback(&self) -> Option<&CallbackAddress> {
        self.callback.as_ref()
    }

    /// What is stored: the body, with where the token says that it is asked, and the callback that the
    /// agent's policies allow.
    pub fn payload(&self, conversation: &Conversation, callback: Option<&CallbackUrl>) -> Value {
        let mut payload = Value::Object(self.fields.clone());
        if let Some(callback) = callback {
            payload["callback_url"] = callback.as_str().into();
        }
        payload["channel_id"] = conversation.channel().as_str().into();
        payload["conversation_id"] = conversation.conversation().as_str().into();
        if let Some(team) = conversation.team() {
            payload["team_id"] = team.as_str().into();
        }
        payload
    }
}

fn tool(name: &str) -> Result<&str, Error> {
    if approval::is_tool(name) {
        return Ok(name);
    }
    Err(Error::field(
        "tool",
        "must be {server}/{tool}: 1 to 64 and 1 to 128 of A-Z a-z 0-9 _ . -, neither part . or ..",
    ))
}

/// Any JSON.
fn args(fields: &Map<String, Value>) -> Result<&Value, Error> {
    let args = fields.get("args").unwrap_or(&Value::Null);
    if args.to_string().len() > MAX_ARGS {
        return Err(Error::field(
            "args",
            format_args!("must be at most {MAX_ARGS} bytes of JSON"),
        ));
    }
    Ok(args)
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

fn text(value: &str, name: &str, longest: usize) -> Result<(), Error> {
    if value.trim().is_empty() || value.chars().count() > longest {
        return Err(Error::field(
            name,
            format_args!("must be 1 to {longest} characters"),
        ));
    }
    Ok(())
}

fn options(fields: &Map<String, Value>) -> Result<(), Error> {
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
        .try_for_each(|option| text(option.as_str().ok_or_else(rule)?, "options", MAX_OPTION))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut body = approval();
        body["note"] = json!({"ours": true});
        body["args"] = json!({"pattern": "\\u0000"});
        body["team_id"] = "T-forged".into();
        body["channel_id"] = "C-forged".into();
        let ask = parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(ask.fields["note"], json!({"ours": true}));
        assert_eq!(ask.fields["args"], body["args"]);
        assert!(!ask.fields.contains_key("team_id") && !ask.fields.contains_key("channel_id"));
        body.as_object_mut().unwrap().remove("args");
        let bare = parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(
            bare.digest(),
            Some(&*approval::digest("git/push", &json!({})))
        );
        body["\0\0"] = json!(1);
        assert!(parse(body.to_string().as_bytes()).is_err());
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
