//! Every route and every command, used by two organizations at once whose ids, names, policies and secrets collide:
//! each gets what it would get alone, and reaches nothing of the other.

mod records;

use crate::documents::commands;
use crate::world::{Answer, World, press, question, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What an organization did and was answered, and the commands that it used.
struct Life<'a> {
    world: &'a World,
    organization: &'a str,
    told: Mutex<Vec<String>>,
    commands: Mutex<BTreeSet<String>>,
}

impl<'a> Life<'a> {
    fn of(world: &'a World, organization: &'a str) -> Self {
        Self {
            world,
            organization,
            told: Mutex::default(),
            commands: Mutex::default(),
        }
    }

    fn tell(&self, what: &str, status: u64, answer: &Value) {
        let mut answer = answer.clone();
        self.mask(&mut answer);
        let told = format!("{what}: {status} {answer}");
        // The connection is named after its organization, since its id is everybody's.
        let own = format!("-{}", self.organization);
        let own_path = format!("org/{}/", self.organization);
        let own_mark = format!("of {}", self.organization);
        let own_host = format!("{}.example", self.organization);
        let told = told
            .replace(&own, "-@")
            .replace(&own_path, "org/@/")
            .replace(&own_mark, "of @")
            .replace(&own_host, "@.example");
        self.told.lock().unwrap().push(told);
    }

    /// Takes out what differs from call to call, and the organization's own id.
    fn mask(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.mask(value)),
            Value::Object(members) => {
                for (key, value) in members {
                    let random = ["placeholder", "token", "jti", "request_id"]
                        .contains(&key.as_str())
                        || key.ends_with("_at") && !value.is_null()
                        || key == "id" && value.as_str().is_some_and(is_uuid);
                    if random {
                        *value = "-".into();
                    } else if value == self.organization {
                        *value = "@".into();
                    } else {
                        self.mask(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// One of control's commands, for this organization.
    async fn command(&self, command: &str, fields: Value) -> Value {
        self.commands.lock().unwrap().insert(command.to_owned());
        let key = if command.ends_with("_organization") {
            "id"
        } else {
            "organization_id"
        };
        let mut whole = json!({"command": command, key: self.organization});
        whole
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let answer = self.world.command(whole).await;
        self.tell(command, 0, &answer);
        answer
    }

    fn http(&self, what: &str, answer: &Answer) {
        self.tell(what, answer.status, &answer.json());
    }

    /// Everything that an organization does, from the first command to the last.
    async fn live(&self) -> [String; 2] {
        let org = self.organization;
        let world = self.world;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = format!("postern/org/{org}/keys/openai");
        self.command("put_organization", json!({"system_providers": ["judge"]}))
            .await;
        self.command("put_agent", json!({"agent_id": "shared"}))
            .await;
        self.command(
            "put_profile",
            json!({"id": "p", "provider_id": "openai", "auth_type": "api_key", "secret_ref": keys}),
        )
        .await;
        self.command(
            "put_connection",
            json!({"id": format!("slack-{org}"), "platform": "slack", "secret_ref": format!("postern/org/{org}/chat/slack"),
                "config": {"api_base_url": world.slack.api_base_url()}}),
        )
        .await;
        self.command(
            "test_connection",
            json!({"connection_id": format!("slack-{org}"), "channel_id": "C1"}),
        )
        .await;
        for (name, value) in [("keys/x", format!("of {org}")), ("keys/y", "spare".into())] {
            self.command("put_secret", json!({"name": name, "value": value}))
                .await;
        }
        self.command("delete_secret", json!({"name": "keys/y"}))
            .await;
        self.command(
            "put_provider",
            json!({"slug": "own", "provider_id": "openai", "base_url": format!("{}/of-{org}", world.upstream.url()),
                "auth": {"header": "private-token"}}),
        )
        .await;
        let rules = json!([{"host": format!("{org}.example"), "action": "allow"}, {"host": "127.0.0.1", "action": "allow"}]);
        self.command("put_policy", json!({"rules": rules})).await;
        for host in ["a.example", "b.example"] {
            let url = format!("https://{host}/");
            let explained = self
                .world
                .command(
                    json!({"command": "explain", "organization_id": org, "agent_id": "shared",
                "method": "POST", "url": url}),
                )
                .await;
            let verdict = if host.starts_with(org) {
                "allow"
            } else {
                "deny"
            };
            assert_eq!(explained["verdict"], verdict, "{explained}");
        }
        self.commands.lock().unwrap().insert("explain".into());
        let minted = json!({"agent_id": "shared", "env_var_name": "KEY", "deployment_name": "d1"});
        let placeholder =
            text(&self.command("mint_placeholder", minted.clone()).await["placeholder"]);
        let talking = json!({"agent_id": "shared", "deployment_name": "d1", "connection_id": format!("slack-{org}"),
            "user_id": "U1", "channel_id": "C1", "conversation_id": "1700000000.000100"});
        let token = text(&self.command("mint_worker_token", talking.clone()).await["token"]);

        let request = through("openai/v1/chat/completions", &placeholder).header("x-of", org);
        self.http("proxy", &world.call_proxy(request).await);
        let own =
            HttpRequest::get("/api/proxy/own/v1/models").header("private-token", &placeholder);
        self.http(
            "own provider",
            &world.call_proxy(own.header("x-of", org)).await,
        );
        for host in ["a.example", "b.example"] {
            let target = json!({"scheme": "https", "host": host, "port": 443});
            let decided = world.egress(&token, &target).await.json();
            let verdict = if host.starts_with(org) {
                "allow"
            } else {
                "deny"
            };
            assert_eq!(decided["verdict"], verdict, "{decided}");
        }
        for id in ["q", "withdrawn"] {
            let mut body = question(id);
            body["question"] = format!("of {org}").into();
            self.http("ask", &world.ask(&token, &body).await);
        }
        let approval = json!({"id": "tool", "kind": "approval", "tool": "server/tool", "args": {}});
        self.http("ask", &world.ask(&token, &approval).await);
        for click in ["q:0", "tool:3"] {
            let clicked = world
                .click(&format!("slack-{org}"), &press("U1", click))
                .await;
            self.http("click", &clicked);
        }
        self.http("withdraw", &world.withdraw(&token, "withdrawn").await);
        for id in ["q", "tool", "withdrawn"] {
            self.http("read", &world.read(&token, id).await);
        }
        let pattern = "/mcp/server/tools/tool";
        let mut grants = HttpRequest::get("/v1/grants").header("x-postern-worker-token", &token);
        grants.query = format!("pattern={pattern}");
        self.http("grants", &world.call_webhooks(grants).await);
        self.command("list_grants", json!({})).await;
        self.command(
            "get_grant",
            json!({"agent_id": "shared", "pattern": pattern}),
        )
        .await;
        self.command(
            "revoke_grant",
            json!({"agent_id": "shared", "pattern": pattern}),
        )
        .await;

        let spare = self.command("mint_worker_token", talking).await;
        self.command(
            "revoke_worker_token",
            json!({"jti": spare["jti"], "expires_at": "2099-01-01T00:00:00Z"}),
        )
        .await;
        self.http("read", &world.read(&text(&spare["token"]), "q").await);
        let mut other = minted;
        other["deployment_name"] = "d2".into();
        self.command("mint_placeholder", other).await;
        self.command("revoke_deployment", json!({"deployment_name": "d2"}))
            .await;
        self.command("list_providers", json!({})).await;
        for command in ["get_provider", "delete_provider"] {
            self.command(command, json!({"slug": "own"})).await;
        }
        self.command("list_policies", json!({})).await;
        self.command("get_policy", json!({})).await;
        self.command("delete_policy", json!({})).await;
        [placeholder, token]
    }
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

async fn world_of_two() -> World {
    let world = World::new().await;
    world.tenants().await;
    for org in ["a", "b"] {
        let key = format!("postern/org/{org}/keys/openai");
        world.secrets.put(&key, format!("sk-of-{org}-0123456789"));
    }
    world
}

#[tokio::test]
async fn two_organizations_with_the_same_names_each_get_what_they_would_get_alone() {
    let world = world_of_two().await;
    let (a, b) = (Life::of(&world, "a"), Life::of(&world, "b"));
    let ([ours, _], [theirs, _]) = tokio::join!(a.live(), b.live());
    tokio::join!(a.leave(&ours), b.leave(&theirs));
    let (a_told, b_told) = (a.told.into_inner().unwrap(), b.told.into_inner().unwrap());
    for (a, b) in a_told.iter().zip(&b_told) {
        assert_eq!(a, b);
    }
    assert_eq!(a_told.len(), b_told.len());
    for answered in [
        "proxy: 200",
        "click: 200",
        "withdraw: 204",
        "grants: 200",
        r#"get_placeholder: 0 {"agent_id""#,
    ] {
        assert!(
            a_told.iter().any(|told| told.starts_with(answered)),
            "{answered}: {a_told:#?}"
        );
    }
    // Each request was sent with the key of its own organization, each card with its own bot.
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 4);
    for request in seen {
        let of = request.headers["x-of"].to_str().unwrap();
        let key = format!("sk-of-{of}-0123456789");
        let held =
            |name: &str, value: &str| request.headers.get(name).is_some_and(|own| own == value);
        let bearer = held("authorization", &format!("Bearer {key}"));
        assert!(bearer || held("private-token", &key), "{of}: {request:?}");
    }
    let calls = world.slack.calls();
    assert!(calls.len() >= 6, "{}", calls.len());
    for call in calls {
        for (org, other) in [("a", "b"), ("b", "a")] {
            let shown = call.body.to_string();
            assert!(
                !(call.token.ends_with(org) && shown.contains(&format!("of {other}"))),
                "{shown}"
            );
        }
    }
    // Nothing is left out: these are all commands but those that are about no organization.
    let mut all = commands();
    for other in ["migrate", "logins", "reseal", "list_organizations"] {
        assert!(all.remove(other));
    }
    assert_eq!(a.commands.into_inner().unwrap(), all);
    // They have left, and only revocations stay.
    for org in ["a", "b"] {
        for row in everything_of(&world, org).await {
            assert!(row.contains("revo"), "{row}");
        }
    }
}

#[tokio::test]
async fn an_organization_reaches_nothing_of_another_over_any_route_or_command() {
    let world = world_of_two().await;
    let (a, b) = (Life::of(&world, "a"), Life::of(&world, "b"));
    let [ours, our_token] = a.live().await;
    let [theirs, their_token] = b.live().await;
    let asked = world.ask(&their_token, &question("only-b")).await;
    assert_eq!(asked.status, 201, "{}", asked.text());
    let before = everything_of(&world, "b").await;

    // Their placeholder with our token, and the other way round.
    for (placeholder, token) in [(&theirs, &our_token), (&ours, &their_token)] {
        let both = through("openai/v1/chat/completions", placeholder)
            .header("x-postern-worker-token", token);
        assert_eq!(world.call_proxy(both).await.status, 401);
    }
    assert_eq!(world.read(&our_token, "only-b").await.status, 404);
    assert_eq!(world.withdraw(&our_token, "only-b").await.status, 404);
    for connection in ["slack-a", "slack-b"] {
        // On our connection the button of their card; on theirs, a person whom they did not ask.
        let who = if connection == "slack-a" { "U1" } else { "U2" };
        let clicked = world.click(connection, &press(who, "only-b:0")).await;
        assert_eq!(clicked.status, 200);
    }
    for (command, code) in [
        (
            json!({"command": "put_connection", "organization_id": "a", "id": "slack-b", "platform": "slack",
            "secret_ref": "postern/org/a/chat/slack"}),
            "scope_conflict",
        ),
        (
            json!({"command": "test_connection", "organization_id": "a", "connection_id": "slack-b",
            "channel_id": "C1"}),
            "unknown_connection",
        ),
        (
            json!({"command": "put_profile", "organization_id": "a", "id": "p2", "provider_id": "openai",
            "auth_type": "api_key", "secret_ref": "postern/org/b/keys/openai"}),
            "secret_ref_outside_organization",
        ),
        (
            json!({"command": "mint_placeholder", "organization_id": "a", "agent_id": "agent-b", "env_var_name": "K",
            "deployment_name": "d1"}),
            "unknown_agent",
        ),
        (
            json!({"command": "mint_worker_token", "organization_id": "a", "agent_id": "agent-b",
            "deployment_name": "d1"}),
            "unknown_agent",
        ),
        (
            json!({"command": "put_policy", "organization_id": "a", "agent_id": "agent-b", "rules": []}),
            "unknown_agent",
        ),
    ] {
        let refused = world.command(command).await;
        assert_eq!(refused["error"]["code"], code, "{refused}");
    }
    // The same names as theirs, in our organization.
    let jti = crate::world::jti(&their_token);
    for command in [
        json!({"command": "revoke_worker_token", "organization_id": "a", "jti": jti, "expires_at": "2099-01-01T00:00:00Z"}),
        json!({"command": "revoke_deployment", "organization_id": "a", "deployment_name": "d1"}),
        json!({"command": "revoke_grant", "organization_id": "a", "agent_id": "shared", "pattern": "/mcp/server/tools/tool"}),
        json!({"command": "delete_policy", "organization_id": "a"}),
        json!({"command": "put_secret", "organization_id": "a", "name": "keys/x", "value": "another"}),
        json!({"command": "delete_secret", "organization_id": "a", "name": "keys/x"}),
    ] {
        world.ok(command).await;
    }
    records::are_out_of_reach(&world, &theirs).await;
    assert_eq!(everything_of(&world, "b").await, before);
    assert_eq!(
        world.read(&their_token, "only-b").await.json()["status"],
        "pending"
    );
    let answer = world
        .call_proxy(through("openai/v1/chat/completions", &theirs))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn everything_of(world: &World, organization: &str) -> Vec<String> {
    super::rows::held(&world.client().await, Some(organization), true).await
}
