//! An interaction as it is shown, without any platform's markup. All platforms show the same, in this order: who asks
//! whom until when, the question, the arguments, and the options or how it ended.

use super::cut::{cut, cut_escaped, units};
use super::shown::{shown, shown_line};
use crate::authority::scope::PersonScope;
use crate::id::{AgentId, InteractionId, UserId};
use crate::question::approval::{self, Approval, Subject};
use crate::question::{Answer, Content, Payload};
use time::{OffsetDateTime, UtcOffset};

/// Maximum length of an approval's arguments on a card, in UTF-16 code units.
const MAX_ARGUMENTS: usize = 1500;
/// Maximum length of an id on a card, in UTF-16 code units.
const MAX_NAME: usize = 80;
/// Maximum length of an answer on a card, in UTF-16 code units. Every option fits.
const MAX_ANSWER: usize = 150;

/// An interaction as it is shown. It is made from the stored payload, so it can be drawn again for an edit.
#[derive(Debug)]
pub struct Card {
    pub(super) id: InteractionId,
    /// The person who is asked.
    pub(super) user: UserId,
    /// The agent that asks. It is shown because several agents may ask in one conversation.
    agent: String,
    /// The agent's organization. It is shown because bots of several organizations may be in one conversation.
    organization: String,
    /// When it expires.
    until: Option<OffsetDateTime>,
    pub(super) question: String,
    /// The arguments of an approval.
    pub(super) arguments: Option<Arguments>,
    pub(super) options: Vec<String>,
}

/// The arguments of an approval.
#[derive(Debug)]
pub(super) struct Arguments {
    /// The arguments as indented JSON, cut where they are too long. It never contains three backticks in a row, so it
    /// cannot end a block of code.
    pub(super) json: String,
    /// How many characters are left out.
    left: usize,
    /// The start of the digest, which covers all arguments.
    digest: String,
}

/// What follows a card without buttons.
pub(super) const NO_BUTTONS: &str = "This message has no buttons, so it cannot be answered here.";

/// How an interaction ended.
#[derive(Debug)]
pub enum Ending {
    /// A person answered it.
    Answered {
        /// The person who answered, by the platform's id.
        user: UserId,
        /// The text of the chosen option, as it is shown.
        value: String,
    },
    /// The agent withdrew it.
    Withdrawn,
    /// It expired without an answer.
    Expired,
    /// The question was changed and asked again.
    AskedAnew,
    /// It ended in a way that is not known here, before its card was posted.
    Over,
}

impl Ending {
    /// The ending by this person's stored answer.
    pub fn answered(user: &UserId, answer: &Answer) -> Self {
        Self::Answered {
            user: user.clone(),
            value: cut(&shown_line(&answer.value), MAX_ANSWER, units),
        }
    }

    /// A sentence about the ending, in the platform's markup: `mention` formats the person and `escape` the answer.
    pub(super) fn sentence(
        &self,
        mention: impl Fn(&str) -> String,
        escape: impl Fn(&str) -> String,
    ) -> String {
        match self {
            Self::Answered { user, value } => {
                format!("{} answered: {}", mention(user.as_str()), escape(value))
            }
            Self::Withdrawn => "The agent withdrew this question.".into(),
            Self::Expired => "This question has expired.".into(),
            Self::AskedAnew => "This question was changed and asked again.".into(),
            Self::Over => "This question is no longer open.".into(),
        }
    }
}

impl Card {
    /// The card of a stored payload: this agent asks the person of this scope. `until` is when the question expires;
    /// a card that only shows an ending needs none.
    pub fn new(
        id: &InteractionId,
        scope: &PersonScope,
        agent: &AgentId,
        payload: &Payload,
        until: Option<OffsetDateTime>,
    ) -> Self {
        let agent = named(agent.as_str());
        let (question, arguments, options) = match payload.content() {
            Content::Question { question, options } => {
                let options = options.iter().map(|option| shown_line(option)).collect();
                (shown(question), None, options)
            }
            Content::Approval(approval) => {
                let question = match &approval.subject {
                    Subject::Host(host) => format!(
                        "May the agent {agent} send requests to {host}? The decision is for the whole host; this is what it wants to send now."
                    ),
                    Subject::Tool(tool) => format!("May the agent {agent} call {tool}?"),
                };
                let arguments = Some(Arguments::new(approval));
                (question, arguments, approval::options())
            }
        };
        Self {
            id: id.clone(),
            user: scope.user().clone(),
            agent,
            organization: named(scope.organization().as_str()),
            until,
            question,
            arguments,
            options,
        }
    }

    /// The interaction that it shows.
    pub fn id(&self) -> &InteractionId {
        &self.id
    }

    /// Who asks, without markup, up to the person who is asked.
    pub(super) fn asker(&self, ending: Option<&Ending>) -> String {
        let asks = if ending.is_none() { "asks" } else { "asked" };
        format!("Agent {} of {} {asks}", self.agent, self.organization)
    }

    /// When the question expires, while it can be answered.
    pub(super) fn until(&self, ending: Option<&Ending>) -> Option<OffsetDateTime> {
        self.until.filter(|_| ending.is_none())
    }

    /// The card as text alone, of at most `most` UTF-16 code units. `quote` begins each line of the question, so that
    /// it cannot look like another line of the card. `mention` formats a person in the platform's markup, and `escape`
    /// any other text.
    pub(super) fn plain(
        &self,
        most: usize,
        ending: Option<&Ending>,
        quote: &str,
        mention: impl Fn(&str) -> String,
        escape: impl Fn(&str) -> String,
    ) -> String {
        let asker = escape(&self.asker(ending));
        let person = mention(self.user.as_str());
        let until = self.until(ending).map(utc);
        let until = until.map_or_else(String::new, |time| format!(", until {}", escape(&time)));
        let asks = format!("{asker} {person}{until}");
        let last = match ending {
            None => self.listed(most / 2, &escape),
            Some(ending) => ending.sentence(&mention, &escape),
        };
        let note = self.arguments.as_ref().map(|it| escape(&it.note()));
        // What is short stands whole, and what is long gets the room that is left.
        let short = [Some(&asks), note.as_ref(), Some(&last)];
        let short: usize = short.into_iter().flatten().map(|it| units(it) + 2).sum();
        let room = most.saturating_sub(short + 2);
        let question = self.quoted(room, quote, &escape);
        let room = room.saturating_sub(units(&question) + 1);
        let arguments = self.arguments.as_ref();
        let arguments = arguments.map(|it| cut_escaped(&it.json, room, &escape));
        let arguments = arguments.zip(note);
        let arguments = arguments.map(|(json, note)| format!("{json}\n{note}"));
        let parts = [Some(asks), Some(question), arguments, Some(last)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
    }

    /// The question of at most `most` UTF-16 code units, in which `quote` begins each line.
    fn quoted(&self, most: usize, quote: &str, escape: impl Fn(&str) -> String) -> String {
        let lines = format!("\n{quote}");
        let escape = |text: &str| escape(text).replace('\n', &lines);
        let room = most.saturating_sub(units(quote));
        format!("{quote}{}", cut_escaped(&self.question, room, escape))
    }

    /// The options as a list, of at most `most` UTF-16 code units together.
    pub(super) fn listed(&self, most: usize, escape: impl Fn(&str) -> String) -> String {
        let each = (most / self.options.len().max(1)).saturating_sub(3);
        let lines = self.options.iter();
        let lines = lines.map(|option| format!("\u{2022} {}", cut_escaped(option, each, &escape)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Arguments {
    fn new(approval: &Approval) -> Self {
        // A backtick can only be in a text, where JSON may also write it by its number.
        let whole = shown(&format!("{:#}", approval.args)).replace("```", r"\u0060\u0060\u0060");
        let json = cut(&whole, MAX_ARGUMENTS, units);
        let left = if json == whole {
            0
        } else {
            // The ellipsis stands for the rest.
            whole.chars().count() + 1 - json.chars().count()
        };
        let digest = approval.digest();
        Self {
            json,
            left,
            // The digest has 64 hexadecimal characters.
            digest: digest.chars().take(12).collect(),
        }
    }

    /// What is left out, and the start of the digest.
    pub(super) fn note(&self) -> String {
        match self.left {
            0 => format!("digest {}", self.digest),
            left => format!(
                "{left} more characters are not shown; digest {}",
                self.digest
            ),
        }
    }
}

/// An id as it is shown.
pub(super) fn named(id: &str) -> String {
    cut(&shown_line(id), MAX_NAME, units)
}

/// A time in UTC, for platforms that do not show times in the reader's zone.
pub(super) fn utc(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let (date, hour, minute) = (time.date(), time.hour(), time.minute());
    format!("{date} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
impl Card {
    /// The card of a question of the agent `coder` of the organization `acme`, for unit tests.
    #[expect(clippy::disallowed_methods, reason = "a scope for a test")]
    pub(super) fn for_test(user: &str, payload: serde_json::Value) -> Self {
        use crate::authority::scope::AgentScope;
        let agent = AgentScope::for_test("acme", "coder");
        let connection = crate::id::ConnectionId::parse("c-1").unwrap();
        let scope = agent.approver(connection, UserId::parse(user).unwrap());
        let until = OffsetDateTime::from_unix_timestamp(1_795_629_600).unwrap();
        Self::new(
            &InteractionId::parse("q-1").unwrap(),
            &scope,
            agent.agent(),
            &payload.try_into().unwrap(),
            Some(until),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn card(payload: Value) -> Card {
        Card::for_test("U1", payload)
    }

    #[test]
    fn an_approval_shows_its_arguments_bounded_and_says_what_it_leaves_out() {
        let small =
            card(json!({"kind": "approval", "tool": "git/push", "args": {"branch": "main"}}));
        assert_eq!(small.options, ["1h", "24h", "always", "deny"]);
        assert!(small.question.contains("git/push") && small.question.contains("coder"));
        let arguments = small.arguments.unwrap();
        assert_eq!(arguments.json, "{\n  \"branch\": \"main\"\n}");
        assert_eq!(arguments.note().len(), "digest ".len() + 12);
        let large =
            card(json!({"kind": "approval", "tool": "git/push", "args": {"x": "y".repeat(5000)}}));
        let arguments = large.arguments.unwrap();
        assert_eq!(arguments.json.chars().count(), MAX_ARGUMENTS);
        // The text stands between 10 characters and 3.
        let left = 13 + 5000 - (MAX_ARGUMENTS - 1);
        let note = arguments.note();
        assert!(
            note.starts_with(&format!("{left} more characters are not shown; digest ")),
            "{note}"
        );
    }

    #[test]
    fn arguments_cannot_end_a_block_of_code_and_stay_the_same_json() {
        let args = json!({"a```b": "````", "c": "``"});
        let card = card(json!({"kind": "approval", "tool": "git/push", "args": args}));
        let json = card.arguments.unwrap().json;
        assert!(!json.contains("```"), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), args);
    }

    #[test]
    fn controls_that_reorder_text_are_shown_as_what_they_are() {
        let card =
            card(json!({"kind": "question", "question": "a\u{202e}b", "options": ["\u{2066}x"]}));
        assert_eq!(
            (card.question.as_str(), card.options[0].as_str()),
            ("a\u{fffd}b", "\u{fffd}x")
        );
        assert_eq!(named("co\u{200b}der"), "co\u{fffd}der");
    }

    #[test]
    fn a_time_is_shown_in_utc() {
        let time = OffsetDateTime::from_unix_timestamp(1_795_629_600).unwrap();
        assert_eq!(utc(time), "2026-11-25 18:00 UTC");
        let east = UtcOffset::from_hms(9, 0, 0).unwrap();
        assert_eq!(utc(time.to_offset(east)), "2026-11-25 18:00 UTC");
    }
}
