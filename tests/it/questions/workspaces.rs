//! Workspaces as enterprises have them: apps of a whole organization, shared channels, people with several ids.

use crate::world::{Answer, SIGNING_SECRET, World, discord_signed, question, signed, unix_now};
use postern_stack::slack::{self, Click};
use serde_json::{Value, json};

/// Sets the configuration of organization a's Slack.
async fn configured(world: &World, config: Value) {
    let mut config = config;
    config["api_base_url"] = world.slack.api_base_url().into();
    world
        .ok(json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "postern/org/a/chat/slack", "config": config}))
        .await;
}

/// A press on the first option of the newest card, with these members of the payload instead.
async fn pressed(world: &World, user: &str, instead: &[(&str, Value)]) -> Answer {
    let card = world.slack.cards().pop().unwrap();
    let mut payload = slack::payload(Click {
        team_id: "T1".into(),
        api_app_id: "A1".into(),
        user_id: user.into(),
        channel_id: card.channel.clone(),
        message_ts: card.message.clone(),
        action_id: card.button(0),
        value: String::new(),
        action_ts: "1700000001.000001".into(),
    });
    for (pointer, value) in instead {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        payload.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    let body = slack::form(&payload).into_bytes();
    world
        .call_webhooks(signed("slack-a", body, SIGNING_SECRET, unix_now()))
        .await
}

/// What Slack says of an app that is installed for the whole organization `E1`; the person is of the workspace `T5`.
fn organization(id: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("/team", Value::Null),
        ("/enterprise", json!({"id": id, "name": "Acme"})),
        ("/is_enterprise_install", json!("true")),
        ("/user/team_id", json!("T5")),
    ]
}

/// Asks U1, presses, and returns the answer to the press and the question's status.
async fn asked(world: &World, id: &str, instead: &[(&str, Value)]) -> (Answer, Value) {
    let token = world.conversing("a", "U1").await;
    assert_eq!(world.ask(&token, &question(id)).await.status, 201);
    let answer = pressed(world, "U1", instead).await;
    let status = world.read(&token, id).await.json()["status"].clone();
    (answer, status)
}

async fn counts(world: &World, id: &str, instead: &[(&str, Value)]) {
    let (answer, status) = asked(world, id, instead).await;
    assert_eq!((answer.status, status), (200, json!("answered")), "{id}");
}

/// The press is refused, and the log names both ids of this key.
async fn refused(world: &World, id: &str, instead: &[(&str, Value)], differs: [&str; 3]) {
    let (answer, status) = asked(world, id, instead).await;
    assert_eq!(
        (answer.status, answer.code().as_str(), status),
        (401, "invalid_signature", json!("pending")),
        "{id}"
    );
    let [_, configured, named] = differs;
    assert!(
        !answer.text().contains(configured) && !answer.text().contains(named),
        "{answer:?}"
    );
    told(world, "slack-a", differs).await;
}

/// The last such line of the log names the connection, the key, the configured id and the id of the call.
async fn told(world: &World, connection: &str, [key, configured, named]: [&str; 3]) {
    let logs = world.webhooks().await.logs().await;
    let line = logs.iter().rfind(|line| line.contains("workspace_differs"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(
        (
            &line["level"],
            &line["connection_id"],
            &line["key"],
            &line["configured"],
            &line["named"]
        ),
        (
            &json!("WARN"),
            &json!(connection),
            &json!(key),
            &json!(configured),
            &json!(named)
        )
    );
}

#[tokio::test]
async fn a_click_of_an_app_of_the_whole_organization_counts_from_each_of_its_workspaces() {
    let world = World::new().await;
    world.tenants().await;
    configured(&world, json!({"enterprise_id": "E1", "api_app_id": "A1"})).await;
    counts(&world, "q-1", &organization("E1")).await;
    let differs = ["enterprise_id", "E1", "E2"];
    refused(&world, "q-2", &organization("E2"), differs).await;
    // An app of one workspace that belongs to the organization.
    let one = [("/enterprise", json!({"id": "E1"}))];
    counts(&world, "q-3", &one).await;
    refused(&world, "q-4", &[], ["enterprise_id", "E1", "none"]).await;
}

#[tokio::test]
async fn with_a_workspace_configured_alone_an_organizations_app_counts_for_its_people_only() {
    let world = World::new().await;
    world.tenants().await;
    configured(&world, json!({"team_id": "T1"})).await;
    refused(&world, "q-1", &organization("E1"), ["team_id", "T1", "T5"]).await;
    let mut own = organization("E1");
    own.push(("/user/team_id", json!("T1")));
    counts(&world, "q-2", &own).await;
    configured(&world, json!({"team_id": "T1", "enterprise_id": "E1"})).await;
    counts(&world, "q-3", &organization("E1")).await;
}

#[tokio::test]
async fn in_a_shared_channel_the_workspace_is_that_of_the_app_and_not_of_whoever_clicks() {
    let world = World::new().await;
    world.tenants().await;
    configured(&world, json!({"team_id": "T1"})).await;
    counts(&world, "q-1", &[("/user/team_id", json!("T9"))]).await;
    // The other workspace's own installation of the same app.
    let theirs = [("/team", json!({"id": "T9", "domain": "other"}))];
    refused(&world, "q-2", &theirs, ["team_id", "T1", "T9"]).await;
}

#[tokio::test]
async fn another_app_or_application_is_named_in_the_log_too() {
    let world = World::new().await;
    world.tenants().await;
    configured(&world, json!({"api_app_id": "A2"})).await;
    refused(&world, "q-1", &[], ["api_app_id", "A2", "A1"]).await;
    let ping = json!({"type": 1, "application_id": format!("90\u{202e}1{}", "0".repeat(100))});
    let call = discord_signed("discord-a", ping.to_string().into_bytes(), unix_now());
    let answer = world.call_webhooks(call).await;
    assert_eq!(answer.code(), "invalid_signature");
    let named = format!("90\u{fffd}1{}\u{2026}", "0".repeat(59));
    told(&world, "discord-a", ["application_id", "900", &named]).await;
}

#[tokio::test]
async fn a_person_with_two_ids_answers_by_either_and_one_click_counts() {
    let world = World::new().await;
    world.tenants().await;
    configured(&world, json!({"user_id_map": {"U1": "W1", "U2": "W2"}})).await;
    for (id, asked, clicker) in [
        ("q-1", "U1", "W1"),
        ("q-2", "W1", "U1"),
        ("q-3", "U1", "U1"),
    ] {
        let token = world.conversing("a", asked).await;
        assert_eq!(world.ask(&token, &question(id)).await.status, 201);
        for other in ["W2", "U2", "U3"] {
            assert_eq!(pressed(&world, other, &[]).await.status, 200);
        }
        assert_eq!(world.read(&token, id).await.json()["status"], "pending");
        assert_eq!(pressed(&world, clicker, &[]).await.status, 200);
        let read = world.read(&token, id).await.json();
        assert_eq!(
            (&read["status"], &read["answer"]["user_id"]),
            (&json!("answered"), &json!(asked)),
            "{id}"
        );
        let receipts = |world: &World| {
            let calls = world.slack.calls().into_iter();
            let says = format!("<@{asked}> answered: Yes");
            calls
                .filter(|call| call.method == "chat.postMessage" && call.body["text"] == says)
                .count()
        };
        let before = receipts(&world);
        // The same click again, and another one by the other id.
        pressed(&world, clicker, &[]).await;
        let again = [("/actions/0/action_ts", json!("1700000009.000009"))];
        let other = if asked == clicker { "W1" } else { asked };
        pressed(&world, other, &again).await;
        assert_eq!(
            (world.read(&token, id).await.json(), receipts(&world)),
            (read, before)
        );
    }
    // A late click by the other id learns why.
    let token = world.conversing("a", "U1").await;
    world.ask(&token, &question("q-4")).await;
    world.withdraw(&token, "q-4").await;
    pressed(&world, "W1", &[]).await;
    let note = world.slack.calls().pop().unwrap();
    assert_eq!(
        (note.method.as_str(), &note.body["user"]),
        ("chat.postEphemeral", &json!("W1"))
    );
}

#[tokio::test]
async fn control_refuses_a_setting_that_no_call_could_match() {
    let world = World::new().await;
    world.tenants().await;
    for (config, field) in [
        (json!({"enterprise_id": 1}), "config.enterprise_id"),
        (json!({"user_id_map": {"U1": 1}}), "config.user_id_map"),
    ] {
        let put = json!({"command": "put_connection", "organization_id": "a", "id": "slack-a", "platform": "slack",
            "secret_ref": "postern/org/a/chat/slack", "config": config});
        let error = world.command(put).await["error"].clone();
        assert_eq!(error["code"], "invalid_request");
        assert!(
            error["message"].as_str().unwrap().contains(field),
            "{error}"
        );
    }
}
