//! The stored form of a question or an approval: the agent's body, and the place from the token.

use super::approval::Approval;
use super::callback::CallbackUrl;
use super::stored::{self, Malformed};
use crate::authority::scope::Conversation;
use crate::id::{ChannelId, ConversationId, TeamId};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The name of the column, for errors.
const COLUMN: &str = "entry_payload";

/// The column `entry_payload`: the agent's whole body, the place that its token names, and the callback address
/// that its policies allow.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    content: Content,
    place: Option<Place>,
    callback_url: Option<String>,
    /// The other fields of the body. They are kept for the agent; Postern does not read them.
    rest: Map<String, Value>,
}

/// The content of a card: a question or an approval.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A question with the agent's own options.
    Question {
        /// The text of the question.
        question: String,
        /// The possible answers, in the order of the buttons.
        options: Vec<String>,
    },
    /// An approval, with the four fixed options.
    Approval(Approval),
}

/// The place on a platform where a question is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// The channel that the card is posted to.
    #[serde(rename = "channel_id")]
    pub channel: ChannelId,
    /// The conversation in the channel, such as a thread. Outside a thread it is the channel's id.
    #[serde(rename = "conversation_id")]
    pub conversation: ConversationId,
    /// The workspace, if the token names one.
    #[serde(rename = "team_id", default)]
    pub team: Option<TeamId>,
}

impl Place {
    /// Whether the conversation is narrower than the channel, such as a thread.
    pub fn is_narrower_than_the_channel(&self) -> bool {
        self.conversation.as_str() != self.channel.as_str()
    }
}

impl From<&Conversation> for Place {
    fn from(conversation: &Conversation) -> Self {
        Self {
            channel: conversation.channel().clone(),
            conversation: conversation.conversation().clone(),
            team: conversation.team().cloned(),
        }
    }
}

impl Content {
    /// The digest of an approval; `None` for a question.
    pub fn digest(&self) -> Option<String> {
        match self {
            Self::Question { .. } => None,
            Self::Approval(approval) => Some(approval.digest()),
        }
    }
}

impl Payload {
    /// A payload to store. `content`, `place` and `callback` win over fields of the same name in `rest`.
    pub fn new(
        content: Content,
        place: Place,
        callback: Option<&CallbackUrl>,
        rest: Map<String, Value>,
    ) -> Self {
        Self {
            content,
            place: Some(place),
            callback_url: callback.map(|url| url.as_str().to_owned()),
            rest,
        }
    }

    /// The question or the approval.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The place where it is asked. A row that was written by hand may have none.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl From<&Payload> for Value {
    fn from(payload: &Payload) -> Self {
        let mut fields = payload.rest.clone();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        match &payload.content {
            Content::Question { question, options } => {
                set("kind", "question".into());
                set("question", question.as_str().into());
                set("options", options.as_slice().into());
            }
            Content::Approval(Approval { subject, args }) => {
                set("kind", "approval".into());
                set("tool", subject.to_string().into());
                set("args", args.clone());
            }
        }
        if let Some(url) = &payload.callback_url {
            set("callback_url", url.as_str().into());
        }
        if let Some(place) = &payload.place {
            set("channel_id", place.channel.as_str().into());
            set("conversation_id", place.conversation.as_str().into());
            if let Some(team) = &place.team {
                set("team_id", team.as_str().into());
            }
        }
        fields.into()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::from(self).serialize(serializer)
    }
}

impl TryFrom<Value> for Payload {
    type Error = Malformed;

    /// Reads the column. The limits of the API are not checked again.
    fn try_from(stored: Value) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct WrittenQuestion {
            question: String,
            options: Vec<String>,
        }
        #[derive(Deserialize)]
        struct WrittenCallback {
            #[serde(default)]
            callback_url: Option<String>,
        }
        let content = match stored["kind"].as_str() {
            Some("question") => {
                let WrittenQuestion { question, options } = stored::read(COLUMN, &stored)?;
                Content::Question { question, options }
            }
            Some("approval") => Content::Approval(stored::read(COLUMN, &stored)?),
            Some(_) | None => {
                let why = "the field `kind` is neither `question` nor `approval`";
                return Err(Malformed::new(COLUMN, why));
            }
        };
        // A place is present as a whole or not at all; part of one is an error.
        let is_placed = ["channel_id", "conversation_id", "team_id"]
            .iter()
            .any(|name| stored.get(name).is_some());
        let place = is_placed
            .then(|| stored::read(COLUMN, &stored))
            .transpose()?;
        let WrittenCallback { callback_url } = stored::read(COLUMN, &stored)?;
        let Value::Object(mut rest) = stored else {
            return Err(Malformed::new(COLUMN, "not an object"));
        };
        let typed: &[&str] = match content {
            Content::Question { .. } => &["question", "options"],
            Content::Approval(_) => &["tool", "args"],
        };
        rest.retain(|name, _| !OF_ALL.contains(&name.as_str()) && !typed.contains(&name.as_str()));
        Ok(Self {
            content,
            place,
            callback_url,
            rest,
        })
    }
}

/// Fields that are read from every payload, so they are not part of `rest`.
const OF_ALL: [&str; 5] = [
    "kind",
    "callback_url",
    "channel_id",
    "conversation_id",
    "team_id",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question() -> Value {
        json!({"id": "q-1", "kind": "question", "question": "Deploy?", "options": ["Yes", "No"]})
    }

    fn approval() -> Value {
        json!({"id": "a-1", "kind": "approval", "tool": "git/push", "args": {"b": [1.5, null]}})
    }

    fn refusal(stored: Value) -> String {
        Payload::try_from(stored).unwrap_err().to_string()
    }

    #[test]
    fn what_is_stored_is_written_as_it_was_read() {
        let host = json!({"kind": "approval", "tool": "host:a.example", "args": null});
        for mut stored in [question(), approval(), host] {
            let bare = Payload::try_from(stored.clone()).unwrap();
            assert_eq!((Value::from(&bare), bare.place()), (stored.clone(), None));
            // Fields of the other kind are the agent's own.
            stored["note"] = json!({"tool": [1, "two"]});
            let is_question = stored["kind"] == "question";
            stored[if is_question { "tool" } else { "options" }] = json!([7]);
            stored["callback_url"] = "https://agents.example.com/".into();
            stored["channel_id"] = "C1".into();
            stored["conversation_id"] = "1.2".into();
            for team in [None, Some("T1")] {
                if let Some(team) = team {
                    stored["team_id"] = team.into();
                }
                let whole = Payload::try_from(stored.clone()).unwrap();
                assert_eq!(json!(whole), stored);
                assert_eq!(whole.content(), bare.content());
                let place = whole.place().unwrap();
                assert_eq!(
                    (place.channel.as_str(), place.conversation.as_str()),
                    ("C1", "1.2")
                );
                assert_eq!(place.team.as_ref().map(TeamId::as_str), team);
            }
        }
    }

    #[test]
    fn an_approval_without_arguments_has_an_empty_object() {
        let mut stored = approval();
        stored.as_object_mut().unwrap().remove("args");
        let read = Payload::try_from(stored).unwrap();
        let Content::Approval(approval) = read.content() else {
            panic!("{read:?}");
        };
        assert_eq!(approval.args, json!({}));
    }

    #[test]
    fn a_malformed_payload_is_an_error_that_names_the_field_and_not_the_value() {
        for (whole, field, value) in [
            (question(), "kind", json!("private")),
            (question(), "kind", json!("text")),
            (question(), "kind", Value::Null),
            (question(), "question", json!(["private"])),
            (question(), "options", json!("private")),
            (question(), "options", json!(["Yes", ["private"]])),
            (question(), "callback_url", json!(["private"])),
            (question(), "channel_id", json!("private text")),
            (question(), "channel_id", Value::Null),
            (question(), "team_id", json!("T1")),
            (approval(), "tool", json!("private")),
            (approval(), "tool", json!("git/*")),
            (approval(), "tool", json!("host:A.example")),
        ] {
            let mut stored = whole.clone();
            stored[field] = value.clone();
            let message = refusal(stored);
            let named = if field == "team_id" {
                "channel_id"
            } else {
                field
            };
            assert!(
                message.contains(named) && !message.contains("private"),
                "{field} {value}: {message}"
            );
        }
        for (whole, field) in [
            (question(), "kind"),
            (question(), "question"),
            (question(), "options"),
            (approval(), "tool"),
        ] {
            let mut stored = whole.clone();
            stored.as_object_mut().unwrap().remove(field);
            let message = refusal(stored);
            assert!(message.contains(field), "{field}: {message}");
        }
        for stored in [json!({}), json!([]), Value::Null, json!("private")] {
            assert!(!refusal(stored).contains("private"));
        }
    }
}
