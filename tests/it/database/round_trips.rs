//! How often a function and Postgres take turns, counted on the wire.

use super::{asked_and_answered, proxied};
use crate::world::{SIGNING_SECRET, World, press, question};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The first of a session's messages has no type.
const STARTUP: u8 = 0;

/// What went to and fro since it was last taken.
#[derive(Default)]
struct Turns {
    /// What was sent in one go: the types of its messages, and the SQL that they hold.
    sent: Vec<(String, String)>,
    /// How often the server said that it is ready for the next.
    ready: usize,
}

/// Stands before Postgres. It passes nothing on before the client has ended its turn, so whoever waits for an answer
/// in the middle of one waits for ever.
struct Relay {
    port: u16,
    turns: Arc<Mutex<Turns>>,
}

impl Relay {
    async fn start(host: String, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            turns: Arc::default(),
        };
        let turns = Arc::clone(&relay.turns);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(there(from_client, to_server, Arc::clone(&turns)));
                tokio::spawn(back(from_server, to_client, Arc::clone(&turns)));
            }
        });
        relay
    }

    /// What went since the last call. A session that is not new is asked now and then whether it may write; `None`
    /// if that was among it.
    fn taken(&self) -> Option<Turns> {
        let turns = std::mem::take(&mut *lock(&self.turns));
        let asked = |(types, _): &(String, String)| types.contains('Q');
        (!turns.sent.iter().any(asked)).then_some(turns)
    }
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next message: its type and all its bytes. `None` at the end.
async fn message(from: &mut OwnedReadHalf, startup: bool) -> Option<(u8, Vec<u8>)> {
    let kind = if startup {
        STARTUP
    } else {
        from.read_u8().await.ok()?
    };
    let length = from.read_u32().await.ok()?;
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    from.read_exact(&mut body).await.ok()?;
    let mut all = Vec::with_capacity(body.len() + 5);
    if !startup {
        all.push(kind);
    }
    all.extend_from_slice(&length.to_be_bytes());
    all.append(&mut body);
    Some((kind, all))
}

async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, turns: Arc<Mutex<Turns>>) {
    let (mut held, mut types, mut sql) = (Vec::new(), String::new(), String::new());
    let mut startup = true;
    while let Some((kind, mut bytes)) = message(&mut from, startup).await {
        startup = false;
        if kind == b'P' {
            // Behind the type, the length and the statement's name, which is empty.
            let text = bytes[6..].split(|byte| *byte == 0).next().unwrap();
            sql += std::str::from_utf8(text).unwrap();
        }
        if kind != STARTUP {
            types.push(char::from(kind));
        }
        held.append(&mut bytes);
        // Sync, a simple query, a password, an end.
        if matches!(kind, STARTUP | b'S' | b'Q' | b'p' | b'X') {
            let turn = (std::mem::take(&mut types), std::mem::take(&mut sql));
            lock(&turns).sent.push(turn);
            if to.write_all(&std::mem::take(&mut held)).await.is_err() {
                return;
            }
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, turns: Arc<Mutex<Turns>>) {
    while let Some((kind, bytes)) = message(&mut from, false).await {
        if kind == b'Z' {
            lock(&turns).ready += 1;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// The SQL functions that were called. Each took one round trip.
fn calls(turns: &Turns) -> Vec<&str> {
    assert_eq!(turns.ready, turns.sent.len(), "{:?}", turns.sent);
    let mut calls = Vec::new();
    for (types, sql) in &turns.sent {
        // Parse, bind, describe, execute, sync.
        assert_eq!(types, "PBDES", "{sql}");
        calls.push(sql.split(['.', '(']).nth(1).unwrap());
    }
    calls
}

async fn behind_a_relay() -> (World, Relay) {
    let world = World::new().await;
    world.tenants().await;
    let secret: Value = serde_json::from_str(&world.secrets_database()).unwrap();
    let port = u16::try_from(secret["port"].as_u64().unwrap()).unwrap();
    let relay = Relay::start(secret["host"].as_str().unwrap().to_owned(), port).await;
    let world = world.restarted_with(&[("DATABASE_PORT", &relay.port.to_string())]);
    (world, relay)
}

#[tokio::test]
async fn a_proxied_request_takes_one_round_trip() {
    let (world, relay) = behind_a_relay().await;
    let alone = world.placeholder("a", "agent-a").await;
    let token = world.token("a", "agent-a", json!({})).await;
    for with_token in [false, true] {
        let send = async || {
            let request = proxied(&alone);
            let request = match with_token {
                true => request.header("x-postern-worker-token", &token),
                false => request,
            };
            assert_eq!(world.call_proxy(request).await.status, 200);
        };
        // The first opens the session.
        send().await;
        let turns = loop {
            relay.taken();
            send().await;
            if let Some(turns) = relay.taken() {
                break turns;
            }
        };
        assert_eq!(calls(&turns), ["access_facts_1"]);
    }
}

/// The calls of a proxied request in a session that is not new.
async fn calls_of_a_request(world: &World, relay: &Relay, placeholder: &str) -> Vec<String> {
    let send = async || {
        let answer = world.call_proxy(proxied(placeholder)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    send().await;
    loop {
        relay.taken();
        send().await;
        if let Some(turns) = relay.taken() {
            return calls(&turns).into_iter().map(str::to_owned).collect();
        }
    }
}

#[tokio::test]
async fn a_sealed_secret_comes_with_the_one_round_trip_of_its_request() {
    let (world, relay) = behind_a_relay().await;
    let put = json!({"command": "put_secret", "organization_id": "a", "name": "keys/x", "value": "sk-sealed-0123456789"});
    world.ok(put).await;
    let own = json!({"secret_ref": "sealed:keys/x", "allowed_hosts": ["127.0.0.1"]});
    let own = world.minted("a", "agent-a", own).await;
    assert_eq!(
        calls_of_a_request(&world, &relay, &own).await,
        ["access_facts_1"]
    );
}

#[tokio::test]
async fn a_click_finds_its_connection_claims_takes_a_turn_and_settles_with_one_round_trip_each() {
    let (world, relay) = behind_a_relay().await;
    let token = world.conversing("a", "U1").await;
    let turns = turns_of_a_click(&world, &relay, &token).await;
    let expected = [
        "connection_claimed_1",
        "interaction_claim_1",
        "chat_turn_1",
        "interaction_settled_1",
    ];
    assert_eq!(calls(&turns), expected);
}

/// What a click exchanges with the database in a session that is not new.
async fn turns_of_a_click(world: &World, relay: &Relay, token: &str) -> Turns {
    asked_and_answered(world, token, "warm").await;
    let mut round = 0;
    loop {
        let id = format!("q-{round}");
        round += 1;
        let asked = world.ask(token, &question(&id)).await;
        assert_eq!(asked.status, 201, "{}", asked.text());
        relay.taken();
        let clicked = world
            .click("slack-a", &press("U1", &format!("{id}:0")))
            .await;
        assert_eq!(clicked.status, 200, "{}", clicked.text());
        if let Some(turns) = relay.taken() {
            return turns;
        }
    }
}

#[tokio::test]
async fn a_click_on_a_connection_whose_secret_is_sealed_reads_its_row_once() {
    let (world, relay) = behind_a_relay().await;
    let secret = json!({"bot_token": "xoxb-a", "signing_secret": SIGNING_SECRET}).to_string();
    for command in [
        json!({"command": "put_secret", "organization_id": "a", "name": "chat/x", "value": secret}),
        json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "sealed:chat/x", "config": {"api_base_url": world.slack.api_base_url()}}),
    ] {
        world.ok(command).await;
    }
    let token = world.conversing("a", "U1").await;
    assert_eq!(
        calls(&turns_of_a_click(&world, &relay, &token).await),
        [
            "connection_claimed_1",
            "sealed_secret_1",
            "interaction_claim_1",
            "chat_turn_1",
            "interaction_settled_1",
        ]
    );
}
