//! What an agent asks of a person, checked field by field.

use crate::approval;
use crate::egress::AllowedPrivate;
use crate::error::{Code, Error};
use crate::id::InteractionId;
use crate::scope::Conversation;
use http::Uri;
use serde_json::{Map, Value, json};

const MOST_OPTIONS: usize = 25;
const LONGEST_OPTION: usize = 75;
const LONGEST_QUESTION: usize = 3000;
const LONGEST_URL: usize = 2048;
/// Most that an approval's arguments may be, in bytes of JSON.
const LARGEST_ARGS: usize = 64 * 1024;

/// A question or an approval that obeys the contract's bounds.
#[derive(Debug)]
pub struct Ask {
    id: InteractionId,
    kind: Kind,
    callback_url: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Question { text: String, options: Vec<String> },
    Approval { tool: String, args: Value },
}

impl Ask {
    /// # Errors
    /// `invalid_json`, or `invalid_request` that names the field.
    pub fn parse(body: &[u8], allowed: &AllowedPrivate) -> Result<Self, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Code::InvalidJson)?;
        let Value::Object(fields) = body else {
            return Err(Error::new(
                Code::InvalidRequest,
                "the body must be a JSON object",
            ));
        };
        let id = string(&fields, "id")?;
        let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
        let kind = match string(&fields, "kind")? {
            "question" => Kind::Question {
                text: text(string(&fields, "question")?, "question", LONGEST_QUESTION)?,
                options: options(&fields)?,
            },
            "approval" => Kind::Approval {
                tool: tool(string(&fields, "tool")?)?,
                args: args(&fields)?,
            },
            _ => return Err(Error::field("kind", "must be `question` or `approval`")),
        };
        let callback_url = callback_url(&fields, allowed)?;
        Ok(Self {
            id,
            kind,
            callback_url,
        })
    }

    pub fn id(&self) -> &InteractionId {
        &self.id
    }

    /// What an approval's answer is bound to.
    pub fn digest(&self) -> Option<String> {
        match &self.kind {
            Kind::Question { .. } => None,
            Kind::Approval { tool, args } => Some(approval::digest(tool, args)),
        }
    }

    /// What is stored: the body, with where the token says that it is asked.
    pub fn payload(&self, conversation: &Conversation) -> Value {
        let mut payload = match &self.kind {
            Kind::Question { text, options } => {
                json!({"kind": "question", "question": text, "options": options})
            }
            Kind::Approval { tool, args } => {
                json!({"kind": "approval", "tool": tool, "args": args})
            }
        };
        payload["id"] = json!(self.id);
        payload["channel_id"] = conversation.channel().into();
        payload["conversation_id"] = conversation.conversation().into();
        if let Some(team) = conversation.team() {
            payload["team_id"] = team.into();
        }
        if let Some(url) = &self.callback_url {
            payload["callback_url"] = url.as_str().into();
        }
        payload
    }
}

fn tool(name: &str) -> Result<String, Error> {
    if approval::is_tool(name) {
        return Ok(name.to_owned());
    }
    Err(Error::field(
        "tool",
        "must be {server}/{tool}: 1 to 64 and 1 to 128 of A-Z a-z 0-9 _ . -",
    ))
}

/// Any JSON; an approval without arguments has none.
fn args(fields: &Map<String, Value>) -> Result<Value, Error> {
    let args = fields.get("args").cloned().unwrap_or_else(|| json!({}));
    let text = args.to_string();
    if text.len() > LARGEST_ARGS {
        return Err(Error::field(
            "args",
            format_args!("must be at most {LARGEST_ARGS} bytes of JSON"),
        ));
    }
    if text.contains("\\u0000") {
        return Err(Error::field("args", "must not hold a NUL character"));
    }
    Ok(args)
}

/// An address of the same kind as an upstream's. What its name resolves to is checked when it is called.
fn callback_url(
    fields: &Map<String, Value>,
    allowed: &AllowedPrivate,
) -> Result<Option<String>, Error> {
    let rule = |rule: &'static str| Error::field("callback_url", rule);
    let url = match fields.get("callback_url") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(url)) => url,
        Some(_) => return Err(rule("must be a string")),
    };
    if url.len() > LONGEST_URL {
        return Err(rule("must be at most 2048 characters"));
    }
    let uri: Uri = url.parse().map_err(|_| rule("must be a URL"))?;
    let plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if !plain || url.contains('#') {
        return Err(rule("must be a URL without user or fragment"));
    }
    allowed
        .permit(&uri)
        .map_err(|_| rule("must be a public https address"))?;
    Ok(Some(url.clone()))
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
