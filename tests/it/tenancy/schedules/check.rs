//! What must hold of a round: what each step was told agrees with the rows, and both with what may happen.

use super::attempts::attempted;
use super::plan::{Before, Schedule, revision};
use super::play::{Attempted, Played, Told, click_key};
use super::posts::taken_in_turn;
use super::rows::Rows;
use super::tally::Tally;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::Arc,
};

/// All that is known of a round.
pub struct Round<'a> {
    pub schedules: &'a [Arc<Schedule>],
    /// When the interactions were created that there were at the beginning, in microseconds.
    pub begun: &'a BTreeMap<String, i128>,
    pub played: &'a [Played],
    pub delivered: &'a [Attempted],
    pub found: &'a Rows,
}

impl<'a> Round<'a> {
    /// The error shows the schedule.
    pub fn check(&self, tally: &mut Tally) -> Result<(), String> {
        let attempts = || self.played.iter().flat_map(|played| &played.attempts);
        let mut removed = 0;
        for (schedule, played) in self.schedules.iter().zip(self.played) {
            let one = self.one(schedule, played);
            let checked = one.check(tally).and_then(|swept| {
                removed += swept;
                let mut deliveries = one.deliveries.iter();
                deliveries.try_for_each(|row| attempted(row, attempts(), self.delivered))
            });
            checked.map_err(|wrong| {
                let attempts = attempts().chain(self.delivered);
                let own = attempts.filter(|attempt| {
                    one.deliveries
                        .iter()
                        .any(|row| text(row, "/id") == attempt.id)
                });
                format!("{wrong}\n{one:#?}\n{:#?}", own.collect::<Vec<_>>())
            })?;
        }
        let taken = || {
            let told = self.played.iter().flat_map(|played| &played.told);
            told.flat_map(|told| match told {
                Told::Took(taken) => taken.as_slice(),
                _ => &[],
            })
        };
        taken_in_turn(taken())?;
        tally.count("took", taken().count());
        tally.count("took in doubt", taken().filter(|one| one.doubtful).count());
        tally.attempts += attempts().count();
        let told = self.played.iter().flat_map(|played| &played.told);
        let swept: u64 = told
            .map(|told| {
                if let Told::Swept(rows) = told {
                    *rows
                } else {
                    0
                }
            })
            .sum();
        same("rows that sweeps removed", &swept, &removed)
    }

    fn one(&self, schedule: &'a Schedule, played: &'a Played) -> One<'a> {
        let id = schedule.id.as_str();
        One {
            schedule,
            begun: self.begun.get(id).copied(),
            told: &played.told,
            pending: self.found.pending.get(id),
            ended: self.found.ended.get(id),
            deliveries: self.found.deliveries.get(id).map_or(&[], Vec::as_slice),
        }
    }
}

/// A schedule, what its steps were told, and its rows.
#[derive(Debug)]
struct One<'a> {
    schedule: &'a Schedule,
    begun: Option<i128>,
    told: &'a [Told],
    pending: Option<&'a Value>,
    ended: Option<&'a Value>,
    deliveries: &'a [Value],
}

pub fn text<'a>(row: &'a Value, pointer: &str) -> &'a str {
    row.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    holds(found == expected, || {
        format!("{what}: {found:?} and not {expected:?}")
    })
}

pub fn holds(condition: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(wrong()) }
}

impl One<'_> {
    fn count(&self, is: impl Fn(&Told) -> bool) -> usize {
        self.told.iter().filter(|told| is(told)).count()
    }

    /// The deliveries of this kind.
    fn of_kind(&self, kind: &str) -> usize {
        let kinds = self.deliveries.iter().map(|row| text(row, "/payload/type"));
        kinds
            .filter(|of| of.strip_prefix("interaction.") == Some(kind))
            .count()
    }

    /// Returns how many rows sweeps removed.
    fn check(&self, tally: &mut Tally) -> Result<u64, String> {
        let answered_before = self.schedule.before == Before::Answered;
        let began = usize::from(self.begun.is_some());
        let new = self.count(|told| matches!(told, Told::Stored { new: true, .. }));
        let replaced = self.count(|told| matches!(told, Told::Stored { new: false, .. }));
        let won = self.count(|told| matches!(told, Told::Won { .. }));
        let withdrew = self.count(|told| matches!(told, Told::Withdrew { .. }));
        self.each_outcome_was_delivered(won)?;
        // Whatever ended and was not withdrawn was swept.
        let ended = self.of_kind("withdrawn") + self.of_kind("expired");
        let expired = ended
            .checked_sub(withdrew)
            .ok_or("a withdrawal was not delivered")?;
        let there = usize::from(self.pending.is_some());
        let gone = (began + new).checked_sub(expired + withdrew + there);
        let gone = gone.ok_or("more rows went than came")?;
        // An answer that was old at the beginning is swept without a word. Anything else leaves one.
        let may_go = usize::from(answered_before);
        holds(gone <= may_go, || {
            format!("{gone} rows went without a trace")
        })?;
        let must_go = answered_before && (new > 0 || there == 0);
        holds(!must_go || gone == 1, || {
            "the old answer both went and stayed".into()
        })?;
        let contents = began - may_go + new + replaced;
        let outcomes = won + withdrew + expired;
        holds(outcomes <= contents, || {
            format!("{outcomes} outcomes of {contents} contents")
        })?;
        holds(self.ended.is_some() == (ended > 0), || {
            "it is not remembered how it ended".into()
        })?;
        self.the_end_is_an_outcome()?;
        self.created_at_never_moves(new)?;
        self.what_is_left_was_told()?;
        self.misses_have_a_reason(ended, gone)?;
        tally.count("new", new);
        tally.count("replaced", replaced);
        tally.count("won", won);
        tally.count("withdrew", withdrew);
        tally.count("swept expired", expired);
        tally.count("swept answered", gone);
        for told in self.told {
            let what = match told {
                Told::Unchanged { .. } => "unchanged",
                Told::StoredBeforeAndExpired => "stored late",
                Told::GaveUp => "gave up",
                Told::Again { .. } => "again",
                Told::Missed(_) => "missed",
                Told::WasAnswered => "was answered",
                Told::WasUnknown => "was unknown",
                Told::Stored { .. }
                | Told::Won { .. }
                | Told::Withdrew { .. }
                | Told::Swept(_)
                | Told::Delivered
                | Told::Took(_) => {
                    continue;
                }
            };
            tally.count(what, 1);
        }
        Ok((expired + gone) as u64)
    }

    /// The contents that were stored: their card, and their text.
    fn contents(&self) -> BTreeMap<usize, u8> {
        let stored = self.told.iter().filter_map(|told| match told {
            Told::Stored { card, text, .. } => Some((*card, *text)),
            _ => None,
        });
        stored.chain(self.begun.map(|_| (0, 0))).collect()
    }

    /// Each claim and each withdrawal left its delivery, and no content was claimed twice.
    fn each_outcome_was_delivered(&self, won: usize) -> Result<(), String> {
        same("deliveries of answers", &self.of_kind("answered"), &won)?;
        let contents = self.contents();
        let mut claimed = BTreeSet::new();
        for told in self.told {
            let (id, kind, index) = match told {
                Told::Won {
                    card,
                    choice,
                    delivery,
                    ..
                } => {
                    holds(claimed.insert(card), || {
                        format!("card {card} was claimed twice")
                    })?;
                    let open = *card > 0 || self.schedule.before != Before::Answered;
                    holds(open && contents.contains_key(card), || {
                        format!("card {card} was not to be claimed")
                    })?;
                    (delivery, "interaction.answered", Some(u64::from(*choice)))
                }
                Told::Withdrew { delivery, kind } => (delivery, kind.as_str(), None),
                _ => continue,
            };
            let row = self.deliveries.iter().find(|row| text(row, "/id") == id);
            let row = row.ok_or_else(|| format!("the delivery of {told:?} is lost"))?;
            same("its kind", &text(row, "/payload/type"), &kind)?;
            let found = row
                .pointer("/payload/data/answer/index")
                .and_then(Value::as_u64);
            same("its answer", &found, &index)?;
        }
        Ok(())
    }

    /// What is remembered of the end was written with the delivery that says the same.
    fn the_end_is_an_outcome(&self) -> Result<(), String> {
        let Some(ended) = self.ended else {
            return Ok(());
        };
        let kind = if ended["expired"] == true {
            "interaction.expired"
        } else {
            "interaction.withdrawn"
        };
        let agrees = |row: &&Value| {
            text(row, "/payload/type") == kind && row["created_at"] == ended["ended_at"]
        };
        holds(self.deliveries.iter().any(|row| agrees(&row)), || {
            "the end that is remembered is not one that was delivered".into()
        })
    }

    fn created_at_never_moves(&self, new: usize) -> Result<(), String> {
        let begun = |created: &i128| {
            self.told.iter().any(
                |told| matches!(told, Told::Stored { new: true, created: at, .. } if at == created),
            )
        };
        for told in self.told {
            if let Told::Stored { created, .. } | Told::Unchanged { created, .. } = told {
                let known = self.begun == Some(*created) || begun(created);
                holds(known, || format!("{told:?}: nothing was created then"))?;
            }
        }
        let Some(pending) = self.pending else {
            return Ok(());
        };
        let created = i128::from(pending["created"].as_i64().unwrap());
        let known = if new == 0 {
            self.begun == Some(created)
        } else {
            begun(&created)
        };
        holds(known, || format!("created_at moved to {created}"))
    }

    /// The row is of the content that a step was told of, and is answered if and only if a click was told so.
    fn what_is_left_was_told(&self) -> Result<(), String> {
        let Some(pending) = self.pending else {
            return Ok(());
        };
        let mut contents = self.contents().into_iter();
        let left =
            contents.find(|(card, _)| revision(*card).as_str() == text(pending, "/revision"));
        let (left, shown) = left.ok_or("nobody was told of the content that is left")?;
        same(
            "its text",
            &text(pending, "/entry_payload/question"),
            &shown.to_string().as_str(),
        )?;
        let claimed = !pending["claimed_at"].is_null();
        let answer = pending.pointer("/answer/index").and_then(Value::as_u64);
        let by = self.told.iter().find_map(|told| match told {
            Told::Won {
                card,
                choice,
                click,
                ..
            } if *card == left => Some((*choice, *click)),
            _ => None,
        });
        let before = self.schedule.before == Before::Answered && left == 0;
        let by = by.or(before.then_some((0, 9)));
        same("whether it is answered", &claimed, &by.is_some())?;
        same(
            "its answer",
            &answer,
            &by.map(|(choice, _)| u64::from(choice)),
        )?;
        let click = by.map(|(_, click)| {
            let bytes = click_key(click)
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>();
            format!("\\x{bytes}")
        });
        same(
            "its click",
            &pending["claimed_click"].as_str().map(str::to_owned),
            &click,
        )
    }

    /// Who changed nothing was told why, and that is what happened.
    fn misses_have_a_reason(&self, ended: usize, gone: usize) -> Result<(), String> {
        let contents = self.contents();
        let answered = self.schedule.before == Before::Answered
            || self.count(|told| matches!(told, Told::Won { .. })) > 0;
        let expires = matches!(
            self.schedule.before,
            Before::Expiring { .. } | Before::Answered
        );
        let withdrawn = self.of_kind("withdrawn") > 0;
        for told in self.told {
            let happened = match told {
                Told::WasAnswered => answered,
                Told::WasUnknown => self.schedule.before == Before::Nothing || ended + gone > 0,
                Told::Unchanged { text, .. } => contents.values().any(|stored| stored == text),
                Told::StoredBeforeAndExpired | Told::Missed("expired") => expires,
                Told::Missed("withdrawn") => withdrawn,
                Told::Missed("replaced") => !contents.is_empty(),
                Told::Again { click } => {
                    self.count(|other| matches!(other, Told::Won { click: by, .. } if by == click))
                        > 0
                }
                _ => true,
            };
            holds(happened, || format!("{told:?}, but that did not happen"))?;
        }
        Ok(())
    }
}
