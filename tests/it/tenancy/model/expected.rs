//! The model: what should become of the one id.

use super::{Click, DAY, HOUR, PUT_OFF, SWEEPS_LEASE};
use postern::Revision;

/// A card that was posted, and what it shows.
#[derive(Debug, Clone)]
pub struct Card {
    pub who: usize,
    pub text: u8,
    pub revision: Revision,
}

/// All that exists under the one id. A card's name is its place among all that were posted.
#[derive(Debug, Default)]
pub struct Model {
    row: Option<Row>,
    /// Who ended it without an answer, how many seconds ago, and how.
    ended: Option<(usize, u32, &'static str)>,
    pub cards: Vec<Card>,
    pub outcomes: Vec<&'static str>,
}

#[derive(Debug)]
struct Row {
    who: usize,
    text: u8,
    age: u32,
    card: usize,
    /// In how many seconds the sweep posts the card; `None` once a post was noted.
    due: Option<i64>,
    /// How often the post was put off, whether one is under way, and whether one may have succeeded unnoted.
    attempts: u32,
    begun: bool,
    doubtful: bool,
    /// The message that it is known to be on.
    at: Option<(usize, bool)>,
    /// The click that answered, and how many seconds ago.
    answer: Option<(u8, u32)>,
}

impl Row {
    fn expired(&self) -> bool {
        self.age >= DAY
    }

    fn due(&self) -> bool {
        self.due.is_some_and(|seconds| seconds <= 0)
    }
}

impl Model {
    pub fn store(&mut self, who: usize, text: u8, revision: &Revision) -> &'static str {
        let (outcome, age) = match &self.row {
            None => ("new", 0),
            Some(row) if row.who != who => return "conflict",
            Some(row) if row.expired() => return "expired",
            Some(row) if row.text == text => {
                let nobody_posted = row.answer.is_none() && row.due();
                if !nobody_posted {
                    return "unchanged";
                }
                ("anew", row.age)
            }
            Some(row) => ("anew", row.age),
        };
        self.cards.push(Card {
            who,
            text,
            revision: revision.clone(),
        });
        self.row = Some(Row {
            who,
            text,
            age,
            card: self.cards.len() - 1,
            due: Some(30),
            attempts: 0,
            begun: true,
            doubtful: false,
            at: None,
            answer: None,
        });
        outcome
    }

    /// The row, if it shows this card.
    fn showing(&mut self, card: usize) -> Option<&mut Row> {
        let who = self.cards[card].who;
        let row = self.row.as_mut();
        row.filter(|row| row.card == card && row.who == who)
    }

    /// Whether the card can still be answered, or was.
    pub fn note(&mut self, card: usize, known: bool) -> bool {
        let Some(row) = self.showing(card) else {
            return false;
        };
        row.due = None;
        row.begun = false;
        row.doubtful = !known;
        row.at = row.at.or(known.then_some((card, false)));
        let elsewhere = known && row.at != Some((card, false));
        row.answer.is_none() || !elsewhere
    }

    pub fn put_off(&mut self, card: usize, doubtful: bool) {
        let row = self.showing(card);
        if let Some(row) = row.filter(|row| row.answer.is_none() && row.due.is_some()) {
            row.due = Some(PUT_OFF.into());
            row.attempts += 1;
            row.begun = false;
            row.doubtful |= doubtful;
        }
    }

    /// What the sweep is told of the question that it took.
    pub fn take(&mut self) -> String {
        let takes = |row: &&mut Row| row.due() && row.answer.is_none() && !row.expired();
        let Some(row) = self.row.as_mut().filter(takes) else {
            return "nothing".to_owned();
        };
        row.due = Some(SWEEPS_LEASE.into());
        row.doubtful |= row.begun;
        row.begun = true;
        format!("{} {} {}", row.text, row.attempts, row.doubtful)
    }

    pub fn click(&mut self, click: &Click) -> &'static str {
        let Some(row) = self.row.as_mut() else {
            let ended = self.ended.filter(|(by, ..)| *by == click.who);
            return ended.map_or("nothing", |(_, _, how)| how);
        };
        let at = (click.card, click.elsewhere);
        let in_place = row.at.is_none_or(|known| known == at);
        match row.answer {
            _ if row.who != click.who => "nothing",
            Some((by, _)) if by == click.id => "again",
            // Another message shows the same card.
            Some(_) if row.doubtful && row.card == click.card && !in_place => "twin",
            Some(_) => "nothing",
            None if row.expired() => "expired",
            None if row.card != click.card => "replaced",
            None if !in_place || click.choice > 1 => "nothing",
            None => {
                row.answer = Some((click.id, 0));
                row.at = Some(at);
                self.outcomes.push("answered");
                "won"
            }
        }
    }

    pub fn withdraw(&mut self, who: usize) -> &'static str {
        match &self.row {
            Some(row) if row.who == who && row.answer.is_none() => {
                let how = if row.expired() {
                    "expired"
                } else {
                    "withdrawn"
                };
                self.outcomes.push(how);
                self.row = None;
                self.ended = Some((who, 0, how));
                "withdrawn"
            }
            Some(row) if row.who == who => "answered",
            _ => "unknown",
        }
    }

    pub fn delete(&mut self, who: usize) -> bool {
        self.row.take_if(|row| row.who == who).is_some()
    }

    pub fn sweep(&mut self) -> u64 {
        let read = |row: &Row| row.answer.is_none_or(|(_, since)| since >= HOUR);
        let swept = self.row.take_if(|row| row.expired() && read(row));
        if let Some(row) = swept.as_ref().filter(|row| row.answer.is_none()) {
            self.outcomes.push("expired");
            self.ended = Some((row.who, 0, "expired"));
        }
        self.ended.take_if(|(_, age, _)| *age >= DAY);
        swept.is_some().into()
    }

    pub fn seconds(&mut self, seconds: u32) {
        if let Some(row) = &mut self.row {
            row.age += seconds;
            row.due = row.due.map(|due| due - i64::from(seconds));
            row.answer = row.answer.map(|(by, since)| (by, since + seconds));
        }
        if let Some((_, age, _)) = &mut self.ended {
            *age += seconds;
        }
    }

    pub fn status(&self, who: usize) -> &'static str {
        match self.row.as_ref().filter(|row| row.who == who) {
            None => "unknown",
            Some(row) if row.answer.is_some() => "answered",
            Some(row) if row.expired() => "expired",
            Some(_) => "pending",
        }
    }
}
