//! Plays schedules with the crate's own operations, as the webhooks function and the sweep call them.

use super::plan::{Schedule, Step, channel};
use crate::world::World;
use futures_util::future::join_all;
use postern::authority::scope::VerifiedWorker;
use postern::deadline::Deadline;
use postern::interactions::{AskOutcome, Interactions};
use postern::question::ask::Ask;
use postern::question::{CardAddress, Choice, ClickKey};
use postern::store::{NewClaim, Schema};
use postern::{Code, InteractionId, Revision, Store};
use postern_stack::{ScriptedChat, scripted_chat::Channel};
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

const TTL: Duration = Duration::from_secs(86_400);

/// What the functions and the sample share.
pub struct Ground {
    chat: ScriptedChat,
    webhooks: Interactions,
    sweep: Interactions,
    store: Store,
    workers: Vec<VerifiedWorker>,
    operator: tokio_postgres::Client,
}

/// What an agent was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Posted,
    AsText,
    Unchanged,
    Later,
    Unknown,
    Failed(Code),
    Withdrawn,
    /// The function was killed.
    Nothing,
}

/// The row at the end.
#[derive(Debug)]
pub struct Row {
    pub revision: String,
    pub pending_post: bool,
}

/// What came of a schedule.
#[derive(Debug)]
pub struct Played {
    pub told: Vec<Told>,
    pub channel: Channel,
    pub row: Option<Row>,
    /// How many of the clicks at the end, one on each card, claimed.
    pub claims: usize,
    /// When functions that posted to the channel were killed, from when they began.
    pub kills: Vec<(Instant, Instant)>,
}

impl Ground {
    pub async fn new(world: &World, organizations: u64) -> Self {
        let chat = ScriptedChat::start().await.unwrap();
        let api = chat.api_base_url();
        let host = api.trim_start_matches("http://").trim_end_matches("/api");
        let mut workers = Vec::new();
        for n in 0..organizations {
            let secret = format!("postern/org/o-{n}/chat/slack");
            let value = json!({"bot_token": "xoxb-1", "signing_secret": "s"});
            world.secrets.put(&secret, value.to_string());
            world
                .sql(&format!(
                    "insert into organizations (id) values ('o-{n}');
                     insert into agents (organization_id, id, created_at) values ('o-{n}', 'x', now() - interval '2 days');
                     insert into connections (id, organization_id, platform, secret_ref, config)
                         values ('c-{n}', 'o-{n}', 'slack', '{secret}', '{{\"api_base_url\": \"{api}\"}}')"
                ))
                .await;
            let (connection, channel) = (format!("c-{n}"), channel(n));
            let conversation = json!({"connection_id": connection, "user_id": "U1", "channel_id": channel,
                "conversation_id": channel});
            workers.push(
                world
                    .worker_with(&format!("o-{n}"), "x", conversation)
                    .await,
            );
        }
        Self {
            webhooks: world.interactions(Schema::Webhooks, host).await,
            sweep: world.interactions(Schema::Sweep, host).await,
            store: world.store(Schema::Webhooks).await,
            operator: world.client().await,
            chat,
            workers,
        }
    }
}

impl Ground {
    /// Plays these at the same time. Sweeps come and go meanwhile.
    pub async fn play(&self, schedules: &[Schedule], random: &mut fastrand::Rng) -> Vec<Played> {
        self.sql("delete from pending_interactions; delete from ended_interactions; delete from chat_turns")
            .await;
        for schedule in schedules {
            self.chat
                .open(&schedule.channel, schedule.script.iter().copied());
        }
        let kills = Mutex::new(Vec::new());
        let asked = join_all(schedules.iter().map(|schedule| self.asked(schedule)));
        let (mut of_agents, ()) = {
            let mut sweeps =
                std::pin::pin!(self.sweeps(fastrand::Rng::with_seed(random.u64(..)), &kills));
            let mut asked = std::pin::pin!(asked);
            tokio::select! {
                told = &mut asked => (told, ()),
                () = &mut sweeps => unreachable!("sweeps come until all have asked"),
            }
        };
        // All who posted are gone, also the sweeps, of which the last was killed just now.
        let now = Instant::now() + Duration::from_millis(200);
        for (_, until) in kills.lock().unwrap().iter_mut() {
            *until = now.min(*until);
        }
        self.chat.calm();
        self.sql("update pending_interactions set post_at = now() where post_at is not null")
            .await;
        self.sql(TURNS_COME).await;
        for (schedule, (told, _)) in schedules.iter().zip(&mut of_agents) {
            if schedule.asks_again {
                told.push(self.ask(schedule, schedule.last()).await);
            }
        }
        for _ in 0..20 {
            self.sql("update pending_interactions set post_at = now() where post_at is not null")
                .await;
            self.sql(TURNS_COME).await;
            let due = self.sweep.post_all_due(within(Duration::from_secs(20)));
            due.await.unwrap();
            let left = "select count(*) from pending_interactions where post_at is not null";
            if self
                .operator
                .query_one(left, &[])
                .await
                .unwrap()
                .get::<_, i64>(0)
                == 0
            {
                break;
            }
        }
        let kills = kills.into_inner().unwrap();
        let mut played = Vec::new();
        for (schedule, (told, own)) in schedules.iter().zip(of_agents) {
            let row = self.row(schedule).await;
            let channel = self.chat.channel(&schedule.channel);
            let claims = self.clicked(schedule, &channel).await;
            played.push(Played {
                told,
                channel,
                row,
                claims,
                kills: kills.iter().copied().chain(own).collect(),
            });
        }
        played
    }

    async fn sql(&self, sql: &str) {
        self.operator.batch_execute(sql).await.unwrap();
    }

    /// What an agent was told, and when its function was killed.
    async fn asked(&self, schedule: &Schedule) -> (Vec<Told>, Vec<(Instant, Instant)>) {
        let (mut told, mut kills) = (Vec::new(), Vec::new());
        for (wait, step) in &schedule.steps {
            tokio::time::sleep(*wait).await;
            let begun = Instant::now();
            told.push(match step {
                Step::Ask {
                    text,
                    killed_after: None,
                } => self.ask(schedule, *text).await,
                Step::Ask {
                    text,
                    killed_after: Some(after),
                } => {
                    let ask = self.ask(schedule, *text);
                    match tokio::time::timeout(*after, ask).await {
                        Ok(told) => told,
                        Err(_) => {
                            // What it had sent arrives all the same.
                            let end = Instant::now() + Duration::from_millis(200);
                            kills.push((begun, end));
                            Told::Nothing
                        }
                    }
                }
                Step::Withdraw => self.withdraw(schedule).await,
            });
        }
        (told, kills)
    }

    async fn ask(&self, schedule: &Schedule, text: u8) -> Told {
        let worker = &self.workers[schedule.organization as usize];
        let body = json!({"id": schedule.id, "kind": "question", "question": text.to_string(), "options": ["Yes", "No"]});
        let ask = Ask::parse(body.to_string().as_bytes(), self.webhooks.allowed()).unwrap();
        let conversation = worker.conversation().unwrap();
        let asked = self
            .webhooks
            .ask(worker, conversation, &ask, within(IN_TIME));
        match asked.await {
            Ok(AskOutcome::Posted(_) | AskOutcome::Reposted(_)) => Told::Posted,
            Ok(AskOutcome::Unchanged(_)) => Told::Unchanged,
            Ok(AskOutcome::AsText(_)) => Told::AsText,
            Ok(AskOutcome::Later(_)) => Told::Later,
            Ok(AskOutcome::Unknown(_)) => Told::Unknown,
            Err(error) => Told::Failed(error.code),
        }
    }

    async fn withdraw(&self, schedule: &Schedule) -> Told {
        let worker = &self.workers[schedule.organization as usize];
        let id = InteractionId::parse(&*schedule.id).unwrap();
        let conversation = worker.conversation().unwrap();
        match self.webhooks.withdraw(worker, conversation, &id).await {
            Ok(()) => Told::Withdrawn,
            Err(error) => Told::Failed(error.code),
        }
    }

    /// Sweeps that post what is due, at random times, until they are dropped. Some are killed.
    async fn sweeps(&self, mut random: fastrand::Rng, kills: &Mutex<Vec<(Instant, Instant)>>) {
        loop {
            tokio::time::sleep(Duration::from_millis(random.u64(0..40))).await;
            // What a platform put off becomes due. The lease of whoever is posting does not end.
            self.sql("update pending_interactions set post_at = now() where not post_begun and post_at is not null")
                .await;
            self.sql(TURNS_COME).await;
            let begun = Instant::now();
            // Noted first: the end of the round kills it.
            let at = {
                let mut kills = kills.lock().unwrap();
                kills.push((begun, begun + Duration::from_secs(60)));
                kills.len() - 1
            };
            let due = self.sweep.post_all_due(within(IN_TIME));
            let killed_after = match random.u8(0..3) {
                0 => Duration::from_micros(random.u64(0..20_000)),
                _ => Duration::from_secs(60),
            };
            match tokio::time::timeout(killed_after, due).await {
                Ok(swept) => {
                    swept.unwrap();
                    kills.lock().unwrap()[at] = (begun, begun);
                }
                Err(_) => {
                    kills.lock().unwrap()[at] =
                        (begun, Instant::now() + Duration::from_millis(200));
                }
            }
        }
    }

    async fn row(&self, schedule: &Schedule) -> Option<Row> {
        let row = "select revision, post_at is not null from pending_interactions where id = $1 and organization_id = $2";
        let organization = format!("o-{}", schedule.organization);
        let row = self
            .operator
            .query_opt(row, &[&schedule.id, &organization])
            .await;
        row.unwrap().map(|row| Row {
            revision: row.get(0),
            pending_post: row.get(1),
        })
    }

    /// Clicks on every card of the channel as the person who was asked. Returns how many clicks claimed.
    async fn clicked(&self, schedule: &Schedule, channel: &Channel) -> usize {
        let worker = &self.workers[schedule.organization as usize];
        let scope = worker.conversation().unwrap().scope();
        let id = InteractionId::parse(&*schedule.id).unwrap();
        let mut claims = 0;
        for message in &channel.messages {
            let Some(revision) = &message.revision else {
                continue;
            };
            let revision = Revision::parse(revision.as_str()).unwrap();
            let card = CardAddress::new(schedule.channel.as_str(), message.ts.as_str());
            let click = NewClaim {
                revision: &revision,
                choice: Choice(0),
                click: &ClickKey::from_parts(&[&message.ts]),
                card: card.as_ref(),
                ttl: TTL,
                lease: TTL,
            };
            let claimed = self.store.interaction_claim(scope, &id, &click).await;
            claims += usize::from(claimed.unwrap().is_some());
        }
        claims
    }
}

/// The next message may be sent at once.
const TURNS_COME: &str = "delete from chat_turns
    where ctid = any (array(select ctid from chat_turns for update skip locked))";
/// How long a function has. A card is posted while 4 s are left, so no pause that a platform asks for fits into it.
const IN_TIME: Duration = Duration::from_millis(4900);

fn within(time: Duration) -> Deadline {
    Deadline::at(SystemTime::now() + time)
}
