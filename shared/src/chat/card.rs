//! An interaction as it is shown, before any platform's markup.

use crate::id::{AgentId, InteractionId, UserId};
use crate::question::approval::{self, Approval, Subject};
use crate::question::{Answer, Content, Payload};

/// Most of an approval's arguments that a card shows, in characters.
const MAX_DETAIL: usize = 1500;
/// Most of an agent's id that a card shows, in characters.
const MAX_AGENT: usize = 80;

/// An interaction as it is shown: made from what is stored, so that it can be drawn again.
#[derive(Debug)]
pub struct Card {
    pub(super) id: InteractionId,
    pub(super) user: UserId,
    /// The agent that asks, as it is shown: two agents in one conversation look alike otherwise.
    pub(super) agent: String,
    pub(super) text: String,
    /// An approval's arguments.
    pub(super) detail: Option<String>,
    pub(super) options: Vec<String>,
}

/// How an interaction ended.
#[derive(Debug)]
pub enum Ending {
    Answered {
        /// Who answered.
        user: UserId,
        /// The option's text, as it is shown.
        value: String,
    },
    Withdrawn,
    Expired,
    /// Its question was changed and asked again.
    AskedAnew,
}

impl Ending {
    /// The ending by an answer of this person's.
    pub fn answered(user: &UserId, answer: &Answer) -> Self {
        Self::Answered {
            user: user.clone(),
            value: shown(&answer.value),
        }
    }

    /// The ending in a sentence of the platform's own markup: `who` and `what` are already in it.
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
        }
    }
}

impl Card {
    /// Of a stored payload.
    pub fn new(id: &InteractionId, user: &UserId, agent: &AgentId, payload: &Payload) -> Self {
        let agent = cut(&shown(agent.as_str()), MAX_AGENT, |_| 1);
        let (text, detail, options) = match payload.content() {
            Content::Question { question, options } => {
                let options = options.iter().map(|option| shown(option)).collect();
                (shown(question), None, options)
            }
            Content::Approval(approval) => {
                let question = match &approval.subject {
                    Subject::Host(host) => format!(
                        "May the agent {agent} send requests to {host}? The decision is for the whole host; this is what it wants to send now."
                    ),
                    Subject::Tool(tool) => format!("May the agent {agent} call {tool}?"),
                };
                (question, Some(arguments(approval)), approval::options())
            }
        };
        Self {
            id: id.clone(),
            user: user.clone(),
            agent,
            text,
            detail,
            options,
        }
    }

    /// The interaction that it shows.
    pub fn id(&self) -> &InteractionId {
        &self.id
    }

    /// The whole as plain text: who asks, the question, its arguments, its options.
    pub(super) fn plain(&self) -> String {
        let options: Vec<String> = self
            .options
            .iter()
            .map(|option| format!("\u{2022} {option}"))
            .collect();
        [
            Some(format!("Agent {} asks:", self.agent)),
            Some(self.text.clone()),
            self.detail.clone(),
            Some(options.join("\n")),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
    }
}

/// The arguments, one to a line; what does not fit is said to be missing, and the digest is of all.
fn arguments(approval: &Approval) -> String {
    let pretty = shown(&format!("{:#}", approval.args));
    let digest = approval.digest();
    // It is hexadecimal, and 64 characters long.
    let digest = &digest[..12];
    let left = pretty.chars().count().saturating_sub(MAX_DETAIL);
    if left == 0 {
        return format!("{pretty}\ndigest {digest}");
    }
    format!(
        "{}\n\u{2026} {left} more characters are not shown\ndigest {digest}",
        cut(&pretty, MAX_DETAIL, |_| 1)
    )
}

/// Tenants' text without what would show it in another order than it is in, or not at all.
fn shown(text: &str) -> String {
    let mut before = ' ';
    let shown = text.chars().map(|c| {
        let hides = match c {
            // Marks and overrides of direction.
            '\u{061c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => true,
            // Invisible, and letters in between look whole without them.
            '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => true,
            // Joiners are parts of emoji and of scripts that are not Latin.
            '\u{200c}' | '\u{200d}' => before.is_ascii(),
            // Tags, which spell ASCII invisibly.
            '\u{e0000}'..='\u{e007f}' => true,
            _ => false,
        };
        before = c;
        if hides { '\u{fffd}' } else { c }
    });
    shown.collect()
}

/// At most `most` of the text by the measure of its characters, with an ellipsis where it is cut.
pub(super) fn cut(text: &str, most: usize, measure: impl Fn(char) -> usize) -> String {
    if text.chars().map(&measure).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut used = measure('\u{2026}');
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += measure(*c);
            used <= most
        })
        .collect();
    kept.push('\u{2026}');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn card(payload: Value) -> Card {
        let id = InteractionId::parse("q-1").unwrap();
        let agent = AgentId::parse("coder").unwrap();
        Card::new(
            &id,
            &UserId::parse("U1").unwrap(),
            &agent,
            &payload.try_into().unwrap(),
        )
    }

    #[test]
    fn a_text_is_cut_by_its_measure_with_an_ellipsis() {
        assert_eq!(cut("abc", 3, |_| 1), "abc");
        assert_eq!(cut("abcd", 3, |_| 1), "ab\u{2026}");
        assert_eq!(
            cut("\u{1f600}\u{1f600}", 3, char::len_utf16),
            "\u{1f600}\u{2026}"
        );
        assert_eq!(
            cut("\u{1f600}\u{1f600}", 4, char::len_utf16),
            "\u{1f600}\u{1f600}"
        );
    }

    #[test]
    fn an_approval_shows_its_arguments_bounded_and_says_what_it_leaves_out() {
        let small =
            card(json!({"kind": "approval", "tool": "git/push", "args": {"branch": "main"}}));
        assert_eq!(small.options, ["1h", "24h", "always", "deny"]);
        assert!(small.text.contains("git/push") && small.text.contains("coder"));
        assert!(small.detail.unwrap().contains("\"branch\": \"main\""));
        let large =
            card(json!({"kind": "approval", "tool": "git/push", "args": {"x": "y".repeat(5000)}}));
        let detail = large.detail.unwrap();
        assert!(detail.chars().count() < 1700 && detail.contains("more characters are not shown"));
    }

    #[test]
    fn what_is_invisible_is_shown_and_emoji_are_left_whole() {
        for hidden in [
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{2060}b",
            "a\u{e0041}b",
            "a\u{ad}b",
        ] {
            assert_eq!(shown(hidden), "a\u{fffd}b", "{hidden:?}");
        }
        for whole in [
            "\u{1f469}\u{200d}\u{1f4bb}",
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "\u{e9}",
        ] {
            assert_eq!(shown(whole), whole);
        }
    }

    #[test]
    fn controls_that_reorder_text_are_shown_as_what_they_are() {
        let card =
            card(json!({"kind": "question", "question": "a\u{202e}b", "options": ["\u{2066}x"]}));
        assert_eq!(
            (card.text.as_str(), card.options[0].as_str()),
            ("a\u{fffd}b", "\u{fffd}x")
        );
    }
}
