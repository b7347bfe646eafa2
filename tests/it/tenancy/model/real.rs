//! What becomes of the one id in the store, in the model's words.

use super::expected::Card;
use super::{Click, PUT_OFF, SWEEPS_LEASE, TTL, address};
use crate::world::World;
use postern::authority::scope::VerifiedWorker;
use postern::question::{Choice, ClickKey, Content, Outcome, Payload};
use postern::store::{Attempts, Missed, NewClaim, NewInteraction, Read, Stored, Swept, Withdrawal};
use postern::{InteractionId, Revision, Store};
use serde_json::json;
use std::time::Duration;

/// The store, called as the functions call it.
pub struct Real<'a> {
    pub world: &'a World,
    pub store: &'a Store,
    /// The same database, for the sweep.
    pub sweep: &'a Store,
    pub people: &'a [VerifiedWorker],
    pub id: InteractionId,
}

impl Real<'_> {
    pub async fn store(&self, who: usize, text: u8, revision: &Revision) -> &'static str {
        let payload = json!({"kind": "question", "question": text.to_string(), "options": ["Yes", "No"], "callback_url": "https://x"});
        let payload = Payload::try_from(payload).unwrap();
        let worker = &self.people[who];
        let new = NewInteraction {
            scope: worker.conversation().unwrap().scope(),
            worker,
            id: &self.id,
            payload: &payload,
            digest: None,
            revision,
        };
        match self.store.interaction_store(&new, TTL).await.unwrap() {
            Stored::New(..) => "new",
            Stored::Replaced(..) => "anew",
            Stored::Unchanged(_) => "unchanged",
            Stored::ScopeConflict => "conflict",
            Stored::Expired => "expired",
            Stored::UnknownConnection | Stored::TooManyOpen | Stored::Refused(_) => "neither",
        }
    }

    pub async fn note(&self, card: usize, shown: &Card, known: bool) -> bool {
        let at = known.then(|| address(card, false));
        let scope = self.people[shown.who].conversation().unwrap().scope();
        self.store
            .interaction_posted(scope, &self.id, &shown.revision, at.as_ref(), !known)
            .await
            .unwrap()
    }

    pub async fn put_off(&self, shown: &Card, doubtful: bool) {
        let scope = self.people[shown.who].conversation().unwrap().scope();
        let after = Duration::from_secs(PUT_OFF.into());
        let attempts = Attempts {
            doubtful,
            ..Attempts::default()
        };
        self.store
            .interaction_put_off(scope, &self.id, &shown.revision, after, attempts)
            .await
            .unwrap();
    }

    /// The sweep takes what is to be posted.
    pub async fn take(&self) -> String {
        let lease = Duration::from_secs(SWEEPS_LEASE.into());
        let taken = self.sweep.interactions_unposted(10, 10, &[], TTL, lease);
        let taken = taken.await.unwrap();
        let told = taken.iter().map(|one| {
            let payload = one.payload.as_ref().unwrap();
            let Content::Question { question, .. } = payload.content() else {
                panic!("{payload:?}");
            };
            let Attempts {
                count, doubtful, ..
            } = one.attempts;
            format!("{question} {count} {doubtful}")
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() {
            return "nothing".to_owned();
        }
        told.join(", ")
    }

    /// The outcome of a click; one that wins answers what its card showed.
    pub async fn click(&self, click: &Click, shown: &Card) -> &'static str {
        let key = ClickKey::from_parts(&[&click.id.to_string()]);
        let at = address(click.card, click.elsewhere);
        let new = NewClaim {
            revision: &shown.revision,
            choice: Choice(click.choice),
            click: &key,
            card: Some(&at),
            ttl: TTL,
            lease: TTL,
        };
        let scope = self.people[click.who].conversation().unwrap().scope();
        let claimed = self.store.interaction_claim(scope, &self.id, &new).await;
        if let Some(claimed) = claimed.unwrap() {
            let answered = claimed.answered.unwrap();
            let Content::Question { question, .. } = answered.payload.content() else {
                panic!("{answered:?}");
            };
            assert_eq!(*question, shown.text.to_string(), "another content");
            assert_eq!(answered.answer.index, Some(Choice(click.choice)));
            assert!(claimed.delivery.is_some());
            return "won";
        }
        let missed = self.store.interaction_missed(scope, &self.id, &new).await;
        match missed.unwrap() {
            Missed::Again(_) => "again",
            Missed::Expired => "expired",
            Missed::Withdrawn => "withdrawn",
            Missed::Replaced => "replaced",
            Missed::Twin(_) => "twin",
            Missed::Nothing => "nothing",
        }
    }

    pub async fn withdraw(&self, who: usize) -> &'static str {
        let worker = &self.people[who];
        let conversation = worker.conversation().unwrap();
        match self
            .store
            .interaction_withdraw(worker, conversation, &self.id, TTL, TTL)
            .await
            .unwrap()
        {
            Withdrawal::Withdrawn(_) => "withdrawn",
            Withdrawal::Answered => "answered",
            Withdrawal::Unknown => "unknown",
            Withdrawal::Refused(_) => "neither",
        }
    }

    pub async fn delete(&self, who: usize) -> bool {
        let scope = self.people[who].conversation().unwrap().scope();
        let deleted = self.store.interaction_delete(scope, &self.id, None);
        deleted.await.unwrap()
    }

    pub async fn sweep(&self) -> u64 {
        let mut deleted = 0;
        for table in [Swept::PendingInteractions, Swept::EndedInteractions] {
            let batch = self.sweep.sweep(table, 10, TTL).await.unwrap();
            if table == Swept::PendingInteractions {
                deleted = batch.deleted;
            }
        }
        deleted
    }

    /// Only the database's clock decides ages, so time passes by making everything older.
    pub async fn seconds(&self, seconds: u32) {
        let by = format!("interval '{seconds} seconds'");
        let sql = format!(
            "update pending_interactions set created_at = created_at - {by}, stored_at = stored_at - {by}, post_at = post_at - {by},
                 claimed_at = claimed_at - {by};
             update ended_interactions set ended_at = ended_at - {by}"
        );
        self.world.sql(&sql).await;
    }

    pub async fn status(&self, who: usize) -> &'static str {
        let read = self
            .store
            .interaction_status(&self.people[who], &self.id, TTL)
            .await;
        match read.unwrap() {
            Read::Unknown => "unknown",
            Read::Refused(_) => "neither",
            Read::Status(status) => match status.outcome {
                Outcome::Pending => "pending",
                Outcome::Answered(_) => "answered",
                Outcome::Expired => "expired",
            },
        }
    }

    pub async fn outcomes(&self) -> Vec<String> {
        let all = self
            .world
            .value("select string_agg(payload #>> '{data,status}', ' ' order by created_at, id) from deliveries")
            .await;
        let mut all: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
        all.sort();
        all
    }
}
