//! The same cards on all platforms: each shows every piece of information, in the same order, within the platform's
//! limits.

mod limits;
mod pictures;
mod seen;

use super::card::NO_BUTTONS;
use super::{Card, ChatPlatform, Ending, Form, discord, slack, telegram};
use crate::id::{ChannelId, ConversationId, Revision, UserId};
use crate::question::{Answer, CardAddress, Place};
use serde_json::{Value, json};

const FAMILY: &str = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Slack,
    Telegram,
    Discord,
}

const EVERYWHERE: [On; 3] = [On::Slack, On::Telegram, On::Discord];

impl On {
    fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
        }
    }

    fn platform(self) -> Box<dyn ChatPlatform> {
        let secret = r#"{"bot_token": "1:x", "signing_secret": "x", "secret_token": "x", "public_key": "00"}"#;
        let (api, secret) = (String::new(), secret.into());
        match self {
            Self::Slack => Box::new(slack::Slack::new(api, &secret).unwrap()),
            Self::Telegram => Box::new(telegram::Telegram::new(api, &secret).unwrap()),
            Self::Discord => Box::new(discord::Discord::new(api, &secret).unwrap()),
        }
    }

    /// The person who is asked, and the channel.
    fn person(self) -> (&'static str, &'static str) {
        match self {
            Self::Slack => ("U0ANA", "C1"),
            Self::Telegram => ("111", "-1001"),
            Self::Discord => ("222", "333"),
        }
    }

    fn card(self, payload: &Value) -> Card {
        Card::for_test(self.person().0, payload.clone())
    }

    fn post(self, payload: &Value, form: Form) -> Call {
        let channel = ChannelId::parse(self.person().1).unwrap();
        let place = Place {
            conversation: ConversationId::parse(channel.as_str()).unwrap(),
            channel,
            team: None,
        };
        let revision = Revision::parse("aaaaaa").unwrap();
        let platform = self.platform();
        let call = platform.post(&self.card(payload), &place, &revision, form);
        (call.name, call.body)
    }

    fn edit(self, payload: &Value, answer: &str) -> Call {
        let at = CardAddress::new(self.person().1, "7").unwrap();
        let answer = Answer::try_from(json!({"value": answer})).unwrap();
        let user = UserId::parse(self.person().0).unwrap();
        let ending = Ending::answered(&user, &answer);
        let call = self.platform().edit(&at, &self.card(payload), &ending);
        (call.name, call.body)
    }
}

/// The name and the body of a call.
type Call = (&'static str, Value);

/// The cards, each with what it must show after who asks and until when.
fn cards() -> Vec<(Value, Vec<String>)> {
    let families = FAMILY.repeat(3000 / FAMILY.chars().count());
    let args = json!({"repository": "acme/shop", "merge": {"method": "squash", "labels": ["a `b` ```c", "<!channel>"]}});
    let large = json!({"text": "y".repeat(100 << 10)});
    let host = json!({"scheme": "https", "port": 443, "method": "POST", "path": "/v1/*orders*"});
    let pieces = |pieces: &[&str]| pieces.iter().map(|piece| (*piece).to_owned()).collect();
    vec![
        (
            json!({"kind": "question", "question": "Deploy *build* 42 to <production>?", "options": ["Yes & now", "No"]}),
            pieces(&["Deploy *build* 42 to <production>?", "Yes & now", "No"]),
        ),
        (
            json!({"kind": "question", "question": families, "options": [FAMILY, "No"]}),
            pieces(&[&FAMILY.repeat(100), FAMILY, "No"]),
        ),
        (
            json!({"kind": "approval", "tool": "git/push_it", "args": args}),
            pieces(&[
                "May the agent coder call git/push_it?",
                "\"merge\": {\n    \"labels\": [\n      \"a `b` \\u0060\\u0060\\u0060c\",\n      \"<!channel>\"",
                "\"method\": \"squash\"",
                "\"repository\": \"acme/shop\"\n}",
                "digest ",
                "1h",
                "24h",
                "always",
                "deny",
            ]),
        ),
        (
            json!({"kind": "approval", "tool": "git/push", "args": large}),
            pieces(&[
                "May the agent coder call git/push?",
                "\"text\": \"yyyyy",
                "yy\u{2026}",
                " more characters are not shown; digest ",
                "1h",
                "24h",
                "always",
                "deny",
            ]),
        ),
        (
            json!({"kind": "approval", "tool": "host:api.example.com", "args": host}),
            pieces(&[
                "May the agent coder send requests to api.example.com? The decision is for the whole host",
                "\"method\": \"POST\"",
                "\"path\": \"/v1/*orders*\"",
                "digest ",
                "1h",
                "24h",
                "always",
                "deny",
            ]),
        ),
    ]
}

/// Asserts that the text has the pieces in this order.
fn assert_in_order<'a>(text: &str, pieces: impl IntoIterator<Item = &'a str>, what: &str) {
    let mut rest = text;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            panic!("{what}: {piece:?} is missing, or too early, in {text}");
        };
        rest = &rest[at + piece.len()..];
    }
}

#[test]
fn every_card_shows_everything_in_the_same_order_on_every_platform() {
    for (payload, pieces) in cards() {
        for on in EVERYWHERE {
            let (person, until) = seen::asked(on);
            let asked = ["Agent coder of acme asks", person, ", until ", until];
            let all = || asked.into_iter().chain(pieces.iter().map(String::as_str));
            let (_, body) = on.post(&payload, Form::Buttons);
            limits::assert_kept(on, &body);
            assert_in_order(&seen::text(on, &body), all(), on.name());

            // What screen readers read on Slack, and what is posted if the card is refused.
            let buttons = body;
            let (_, body) = on.post(&payload, Form::Text);
            limits::assert_kept(on, &body);
            if on == On::Slack {
                // Whole cards are the same; of a long question less fits.
                let text = |body: &Value| body["text"].as_str().unwrap().to_owned();
                let alone = format!("{}\n\n{NO_BUTTONS}", text(&buttons));
                assert!(text(&body) == alone || text(&body).contains('\u{2026}'));
            }
            if on != On::Telegram || payload["kind"] == "question" {
                assert!(seen::text(on, &body).contains("cannot be answered here"));
            }
            let text = seen::text(on, &body);
            let utc = [
                "Agent coder of acme asks",
                person,
                ", until 2026-11-25 18:00 UTC",
            ];
            let utc = if on == On::Telegram {
                asked.to_vec()
            } else {
                utc.to_vec()
            };
            // It has less room, so the question is only begun.
            let begun = pieces.iter().map(|piece| match piece.strip_prefix(FAMILY) {
                Some(more) if !more.is_empty() => FAMILY,
                _ => piece,
            });
            assert_in_order(&text, utc.into_iter().chain(begun), on.name());
        }
    }
}

#[test]
fn a_card_that_ended_still_shows_everything_and_how_it_ended() {
    for (payload, pieces) in cards() {
        for on in EVERYWHERE {
            let (person, _) = seen::asked(on);
            let (_, body) = on.edit(&payload, "No & <never>");
            limits::assert_kept(on, &body);
            let text = seen::text(on, &body);
            let options = Card::for_test("U1", payload.clone()).options.len();
            let pieces = &pieces[..pieces.len() - options];
            let asked = ["Agent coder of acme asked", person];
            let asked = asked.into_iter();
            assert_in_order(
                &text,
                asked.chain(pieces.iter().map(String::as_str)),
                on.name(),
            );
            let ending = [person, " answered:", "No & <never>"];
            assert_in_order(&text, ["asked"].into_iter().chain(ending), on.name());
            assert!(!text.contains("until"), "{text}");
        }
    }
}

#[test]
fn emoji_are_never_taken_apart() {
    let (payload, _) = &cards()[1];
    for on in EVERYWHERE {
        for (_, body) in [
            on.post(payload, Form::Buttons),
            on.post(payload, Form::Text),
            on.edit(payload, FAMILY),
        ] {
            let text = seen::text(on, &body);
            let rest = text.replace(FAMILY, "");
            assert!(
                rest.chars().all(|c| u32::from(c) < 0x1f000),
                "{on:?} {rest}"
            );
        }
    }
    // Slack and Discord show the whole question, in two parts.
    for on in [On::Slack, On::Discord] {
        let (_, body) = on.post(payload, Form::Buttons);
        let shown = seen::text(on, &body).matches(FAMILY).count();
        assert_eq!(shown, 3000 / FAMILY.chars().count() + 1, "{on:?}");
    }
}

#[test]
fn an_edit_on_slack_keeps_the_block_of_the_arguments() {
    for (payload, _) in cards() {
        let kinds = |body: &Value| {
            let blocks = body["blocks"].as_array().unwrap().iter();
            blocks.filter(|block| block["type"] == "rich_text").count()
        };
        let (_, posted) = On::Slack.post(&payload, Form::Buttons);
        let (_, edited) = On::Slack.edit(&payload, "1h");
        assert_eq!(kinds(&posted), kinds(&edited));
        assert_eq!(kinds(&posted), usize::from(payload["kind"] == "approval"));
    }
}

#[test]
fn what_fits_on_discord_needs_no_embed() {
    for (at, (payload, _)) in cards().into_iter().enumerate() {
        let (_, posted) = On::Discord.post(&payload, Form::Buttons);
        let embeds = posted["embeds"].as_array().map_or(0, Vec::len);
        assert_eq!(embeds, usize::from([1, 3].contains(&at)), "{payload}");
        let (_, edited) = On::Discord.edit(&payload, "1h");
        assert_eq!(edited["embeds"].as_array().unwrap().len(), embeds);
    }
}

#[test]
fn telegram_folds_a_long_question_and_no_short_one() {
    let folded = |question: &str| {
        let payload = json!({"kind": "question", "question": question, "options": ["Yes"]});
        let (_, body) = On::Telegram.post(&payload, Form::Buttons);
        body["entities"]
            .to_string()
            .contains("expandable_blockquote")
    };
    assert!(!folded("Deploy?") && !folded(&"x".repeat(500)));
    assert!(folded(&"x".repeat(501)) && folded(&"a\n".repeat(9)));
}
