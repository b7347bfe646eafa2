//! An interaction as it is shown, without any platform's markup.

use crate::id::{AgentId, InteractionId, UserId};
use crate::question::approval::{self, Approval, Subject};
use crate::question::{Answer, Content, Payload};

/// Maximum length of an approval's arguments on a card, in characters.
const MAX_DETAIL: usize = 1500;
/// Maximum length of an agent's id on a card, in characters.
const MAX_AGENT: usize = 80;

/// An interaction as it is shown. It is made from the stored payload, so it can be drawn again for an edit.
#[derive(Debug)]
pub struct Card {
    pub(super) id: InteractionId,
    pub(super) user: UserId,
    /// The agent that asks. It is shown because several agents may ask in one conversation.
    pub(super) agent: String,
    pub(super) text: String,
    /// An approval's arguments and digest.
    pub(super) detail: Option<String>,
    pub(super) options: Vec<String>,
}

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
}

impl Ending {
    /// The ending by this person's stored answer.
    pub fn answered(user: &UserId, answer: &Answer) -> Self {
        Self::Answered {
            user: user.clone(),
            value: shown(&answer.value),
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
        }
    }
}

impl Card {
    /// The card of a stored payload. `user` is the person who is asked, `agent` the agent that asks.
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

    /// The card as plain text: the agent, the question, its arguments and its options.
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

/// The arguments as indented JSON, cut at `MAX_DETAIL` with a note of how much is missing, and the start of the
/// digest, which covers all of them.
fn arguments(approval: &Approval) -> String {
    let pretty = shown(&format!("{:#}", approval.args));
    let digest = approval.digest();
    // The digest has 64 hexadecimal characters, so the slice cannot fail.
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

/// Replaces characters in tenants' text that would be invisible or change the order in which text is shown.
pub(super) fn shown(text: &str) -> String {
    let mut before = ' ';
    let shown = text.chars().map(|c| {
        let hides = match c {
            // Directional marks and overrides.
            '\u{061c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => true,
            // Invisible characters, which could be hidden inside a word.
            '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => true,
            // Joiners are needed in emoji and in some scripts, but not after ASCII.
            '\u{200c}' | '\u{200d}' => before.is_ascii(),
            // Tag characters, which are an invisible copy of ASCII.
            '\u{e0000}'..='\u{e007f}' => true,
            _ => false,
        };
        before = c;
        if hides { '\u{fffd}' } else { c }
    });
    shown.collect()
}

/// Cuts the text to a length of at most `most`, including the ellipsis that marks the cut. `measure` is the length
/// of a character.
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
