//! What must hold at the end of every schedule.

use super::plan::Schedule;
use super::play::{Played, Told};
use postern::Code;
use postern_stack::Meets;
use std::collections::BTreeMap;

/// How often what was played.
#[derive(Debug, Default)]
pub struct Tally {
    answerable: u64,
    as_text: u64,
    unknown: u64,
    withdrawn: u64,
    refused: u64,
    later: u64,
    killed: u64,
    /// Cards beyond the first of their content, where there was a doubt.
    doubled: u64,
}

impl Tally {
    pub fn assert_that_everything_happened(&self) {
        let counts = [
            self.answerable,
            self.as_text,
            self.unknown,
            self.withdrawn,
            self.refused,
            self.later,
            self.killed,
            self.doubled,
        ];
        assert!(counts.iter().all(|count| *count > 0), "{self:?}");
    }
}

pub fn check(schedule: &Schedule, played: &Played, tally: &mut Tally) -> Result<(), String> {
    let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let met =
        |one: fn(&Meets) -> bool| played.channel.met.iter().filter(|meets| one(meets)).count();
    let told = |one: &Told| played.told.contains(one);
    let mut cards: BTreeMap<&str, u64> = BTreeMap::new();
    for message in &played.channel.messages {
        if let Some(revision) = &message.revision {
            *cards.entry(revision).or_default() += 1;
        }
    }
    let texts = played
        .channel
        .messages
        .iter()
        .filter(|message| message.revision.is_none());
    let texts = texts.count();
    // A second card of a content needs a doubt: the platform failed, or whoever posted was killed.
    let failed = met(|meets| {
        matches!(
            meets,
            Meets::InternalError { created: true } | Meets::Unavailable { created: true }
        )
    });
    let killed = played.channel.messages.iter().filter(|message| {
        let mut kills = played.kills.iter();
        kills.any(|(from, to)| (*from..*to).contains(&message.created_at))
    });
    let doubts = (failed + killed.count()) as u64;
    let doubled: u64 = cards.values().map(|count| count - 1).sum();
    holds(
        doubled <= doubts,
        "a card was posted twice, and nothing was in doubt",
    )?;
    tally.doubled += doubled;
    // Plain text needs a refusal for good.
    let refusals = met(|meets| matches!(meets, Meets::Refusal | Meets::UnheardOf));
    holds(
        texts <= refusals,
        "plain text was posted though nothing was refused",
    )?;
    tally.later += u64::from(told(&Told::Later));
    tally.killed += u64::from(told(&Told::Nothing));
    holds(played.claims <= 1, "two clicks answered")?;
    let Some(row) = &played.row else {
        // A kill may hide that it was withdrawn or refused, but the platform knows its refusals.
        let withdrawn = told(&Told::Withdrawn);
        tally.withdrawn += u64::from(withdrawn);
        // The card and its text are refused; an unheard-of error counts as a refusal the second time.
        let never = met(|meets| *meets == Meets::Refusal)
            + met(|meets| *meets == Meets::UnheardOf) / 2
            >= 2;
        tally.refused += u64::from(told(&Told::Failed(Code::PostFailed)));
        let unborn = played
            .told
            .iter()
            .all(|told| *told == Told::Nothing || *told == Told::Failed(Code::UnknownInteraction));
        return holds(withdrawn || never || unborn, "the question is lost");
    };
    holds(!row.pending_post, "the sweep left a card unposted")?;
    if played.claims == 1 {
        tally.answerable += 1;
        return Ok(());
    }
    // A call without an answer, or a failure and then a refusal, leaves unknown whether there is a card. Nobody can do
    // better: the agent is told, or waits as for a person who does not answer.
    let unknown = met(|meets| *meets == Meets::Reset { created: false }) > 0
        || refusals > 0
            && met(|meets| {
                matches!(
                    meets,
                    Meets::InternalError { created: false } | Meets::Unavailable { created: false }
                )
            }) > 0;
    if texts > 0 {
        tally.as_text += 1;
    } else if unknown {
        tally.unknown += 1;
    } else {
        let stands = cards.contains_key(row.revision.as_str());
        let what = if stands {
            "its card cannot be answered"
        } else {
            "no card of the question stands"
        };
        return Err(format!("{what}; asked {:?}", schedule.steps));
    }
    Ok(())
}
