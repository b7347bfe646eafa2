//! `list_`, `get_` and `delete_` of each kind: pages, neighbours, what goes with what, and that no answer holds a hash,
//! a token or a placeholder.

use crate::world::{World, merged};
use postern::store::{Kind, OrganizationKey, Record, Schema};
use serde_json::{Value, json};
use std::fmt::Write;

/// A kind that organizations have: its name, its list, and the fields of its key, each with its name in the item.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// In this order nothing has gone with what was deleted before it.
const KINDS: [Row; 8] = [
    ("placeholder", "placeholders", &[("id", "id")]),
    (
        "grant",
        "grants",
        &[("agent_id", "agent_id"), ("pattern", "pattern")],
    ),
    ("policy", "policies", &[("agent_id", "agent_id")]),
    ("profile", "profiles", &[("id", "id")]),
    ("provider", "providers", &[("slug", "slug")]),
    ("secret", "secrets", &[("name", "name")]),
    ("connection", "connections", &[("id", "id")]),
    ("agent", "agents", &[("agent_id", "id")]),
];

/// 101 records of each kind of the organization `@`. Ids collide wherever they can.
const RECORDS: &str = r#"
insert into organizations (id) values ('@');
insert into agents (organization_id, id) select '@', 'n-' || n from generate_series(100, 200) n;
insert into connections (id, organization_id, platform, secret_ref)
    select 'c-' || n || '-@', '@', 'slack', 'postern/org/@/chat/x' from generate_series(100, 200) n;
insert into auth_profiles (organization_id, id, provider_id, agent_id, auth_type, secret_ref, disabled_at)
    select '@', 'p-' || n, 'openai', 'n-' || n, 'api_key', 'postern/org/@/keys/x', now() from generate_series(100, 200) n;
insert into providers (organization_id, slug, provider_id, base_url, auth)
    select '@', 'w-' || n, 'openai', 'https://own.example', '{"query": "key"}' from generate_series(100, 200) n;
insert into sealed_secrets (organization_id, name, version, key_id, sealed)
    select '@', 'keys/x-' || n, 1, 'k', 'x' from generate_series(100, 200) n;
insert into egress_policies (organization_id, agent_id, rules)
    select '@', nullif('n-' || n, 'n-150'), '[{"host": "only-rules-say-this", "action": "deny"}]'
    from generate_series(100, 200) n;
insert into placeholders (token_hash, organization_id, agent_id, env_var_name, deployment_name, expires_at, id)
    select sha256(('p@' || n)::bytea), '@', 'n-' || n, 'KEY', 'd', 'infinity',
        ('00000000-0000-4000-8000-000000000' || n)::uuid
    from generate_series(100, 200) n;
insert into grants (organization_id, agent_id, pattern, denied, granted_by)
    select '@', 'n-' || 100 + n / 10, 'host:h-' || n, true, 'U1' from generate_series(0, 100) n;
insert into pending_interactions (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload)
    select '@', 'q-' || n, 'c-' || n || '-@', 'U1', 'n-' || n, '{}' from generate_series(100, 200) n;
insert into ended_interactions (organization_id, id, connection_id, expected_user_id)
    select '@', 'e-' || n, 'c-' || n || '-@', 'U1' from generate_series(100, 200) n;
insert into deliveries (organization_id, id, agent_id, interaction_id, url, payload)
    select '@', 'd-' || n, 'n-' || n, 'q', 'https://x', '{}' from generate_series(100, 200) n;
insert into revoked_tokens values ('@', 'j', now() + interval '1 hour');
insert into deployment_revocations values ('@', 'd', now())"#;

/// Two organizations, `one` and `two`.
async fn filled() -> World {
    let world = World::new().await;
    for organization in ["one", "two"] {
        world.sql(&RECORDS.replace('@', organization)).await;
    }
    world
}

/// A world, and all that control answered.
struct Told {
    world: World,
    text: String,
}

impl Told {
    async fn ask(&mut self, command: &str, fields: Value) -> Value {
        let command = merged(
            json!({"command": command, "organization_id": "one"}),
            fields,
        );
        let answer = self.world.command(command).await;
        write!(self.text, "{answer}").unwrap();
        answer
    }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

/// All rows of an organization.
async fn rows_of(world: &World, organization: &str) -> Vec<String> {
    let client = world.client().await;
    crate::isolation::held(&client, Some(organization), true).await
}

#[tokio::test]
async fn each_kind_is_listed_page_by_page_shown_and_deleted_and_its_neighbours_are_left_alone() {
    let mut told = Told {
        world: filled().await,
        text: String::new(),
    };
    let theirs = rows_of(&told.world, "two").await;
    for (kind, list, fields) in KINDS {
        let (list, get) = (format!("list_{list}"), format!("get_{kind}"));
        let delete = format!("delete_{kind}");
        let first = told.ask(&list, json!({})).await;
        let mut items = first["items"].as_array().unwrap().clone();
        assert_eq!(items.len(), 100, "{list}");
        let second = told.ask(&list, json!({"after": first["next"]})).await;
        items.extend(second["items"].as_array().unwrap().iter().cloned());
        assert_eq!((items.len(), second.get("next")), (101, None), "{list}");
        let key = |item: &Value| {
            let key = fields
                .iter()
                .map(|(field, name)| ((*field).to_owned(), item[*name].clone()));
            let mut key: serde_json::Map<String, Value> = key.collect();
            // The policy of the organization has no agent.
            key.retain(|_, part| !part.is_null());
            Value::Object(key)
        };
        let parts = |item: &Value| -> Vec<String> {
            let part = |(_, name): &(_, &str)| item[*name].as_str().unwrap_or_default().to_owned();
            fields.iter().map(part).collect()
        };
        let keys: Vec<Vec<String>> = items.iter().map(parts).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{list}: {keys:#?}");
        for item in &items {
            assert_eq!(item["organization_id"], "one", "{list}: {item}");
        }
        for at in [0, 100] {
            let mut shown = told.ask(&get, key(&items[at])).await;
            if kind == "policy" {
                let rules = shown.as_object_mut().unwrap().remove("rules");
                assert_eq!(rules.unwrap()[0]["host"], "only-rules-say-this");
            }
            assert_eq!(shown, items[at], "{get}");
        }
        for _ in 0..2 {
            let deleted = told.ask(&delete, key(&items[1])).await;
            assert_eq!(deleted, json!({"ok": true}), "{delete}");
            assert_eq!(code(&told.ask(&get, key(&items[1])).await), "not_found");
        }
        let left = told.ask(&list, json!({})).await;
        items.remove(1);
        assert_eq!(left, json!({"items": items}), "{list}");
    }
    assert_eq!(rows_of(&told.world, "two").await, theirs);
    let all = "select string_agg(s, ' ') from (
        select encode(token_hash, 'hex') || ' ' || encode(token_hash, 'base64') s from placeholders
        union all select encode(rules_hash, 'hex') || ' ' || encode(rules_hash, 'base64') from egress_policies) h";
    let hashes = told.world.value(all).await;
    assert!(hashes.len() > 10_000);
    for hash in hashes.split_whitespace() {
        let plain = hash.trim_end_matches('=');
        assert!(!told.text.contains(plain), "{hash}");
    }
    assert!(!told.text.contains("postern_secret_"));
}

#[tokio::test]
async fn what_an_agent_a_connection_or_an_organization_owns_is_deleted_with_it() {
    let world = filled().await;
    let theirs = rows_of(&world, "two").await;
    let ours = async || rows_of(&world, "one").await.join("\n");
    let delete = async |command: Value| {
        assert_eq!(world.command(command).await, json!({"ok": true}));
    };
    let named = |rows: &str, name: &str| rows.lines().filter(|row| row.contains(name)).count();
    let before = ours().await;
    // Itself, a profile, a policy, a placeholder, ten grants, a question, an outcome.
    assert_eq!(named(&before, ",n-101,") + named(&before, ",n-101)"), 16);
    delete(json!({"command": "delete_agent", "organization_id": "one", "agent_id": "n-101"})).await;
    let after = ours().await;
    assert!(!after.contains("n-101"), "{after}");
    assert_eq!(after.lines().count(), before.lines().count() - 16);
    // Another organization's connection stays, and so does the connection of another organization's agent.
    delete(json!({"command": "delete_connection", "organization_id": "one", "id": "c-102-two"}))
        .await;
    assert_eq!(ours().await, after);
    delete(json!({"command": "delete_connection", "organization_id": "one", "id": "c-102-one"}))
        .await;
    let left = ours().await;
    assert_eq!(left.lines().count(), after.lines().count() - 3);
    assert!(!left.contains("c-102-one"), "{left}");

    let get = json!({"command": "get_organization", "id": "one"});
    assert_eq!(world.ok(get.clone()).await["id"], "one");
    for _ in 0..2 {
        delete(json!({"command": "delete_organization", "id": "one"})).await;
        assert_eq!(code(&world.command(get.clone()).await), "not_found");
    }
    // A successor of the same name must not inherit its tokens.
    let left = rows_of(&world, "one").await;
    let revocations = |row: &String| {
        row.starts_with("revoked_tokens ") || row.starts_with("deployment_revocations ")
    };
    assert!(left.len() == 2 && left.iter().all(revocations), "{left:?}");
    assert_eq!(rows_of(&world, "two").await, theirs);
}

#[tokio::test]
async fn organizations_are_listed_page_by_page() {
    let world = World::new().await;
    world
        .sql("insert into organizations (id, system_providers) select 'o-' || n, '{openai}' from generate_series(100, 300) n")
        .await;
    let (mut ids, mut after) = (Vec::new(), Value::Null);
    for size in [100, 100, 1] {
        let page = world
            .ok(json!({"command": "list_organizations", "after": after}))
            .await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), size);
        ids.extend(items.iter().map(|item| item["id"].clone()));
        assert_eq!(items[0]["system_providers"], json!(["openai"]));
        after = page["next"].clone();
    }
    assert_eq!(after, Value::Null);
    let expected: Vec<Value> = (100..=300).map(|n| format!("o-{n}").into()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_placeholder_is_named_by_its_text_too_and_an_answer_shows_neither_text_nor_hash() {
    let world = World::new().await;
    world.tenants().await;
    let mine = world.placeholder("a", "shared").await;
    let theirs = world.placeholder("b", "shared").await;
    let command = async |command: &str, placeholder: &str| {
        world
            .command(
                json!({"command": command, "organization_id": "a", "placeholder": placeholder}),
            )
            .await
    };
    let shown = command("get_placeholder", &mine).await;
    assert_eq!(shown["secret_ref"], "postern/org/a/keys/openai", "{shown}");
    let uuid = mine.strip_prefix("postern_secret_").unwrap();
    let hashes = "select string_agg(encode(token_hash, 'hex') || ' ' || rtrim(encode(token_hash, 'base64'), '='), ' ')
        from placeholders";
    let hashes = world.value(hashes).await;
    for secret in hashes.split(' ').chain([uuid]) {
        assert!(!shown.to_string().contains(secret), "{shown}");
    }
    let id = json!({"command": "get_placeholder", "organization_id": "a", "id": shown["id"]});
    assert_eq!(world.command(id).await, shown);
    assert_eq!(
        code(&command("get_placeholder", &theirs).await),
        "not_found"
    );
    for placeholder in [&theirs, &mine] {
        let deleted = command("delete_placeholder", placeholder).await;
        assert_eq!(deleted, json!({"ok": true}));
    }
    let left = "select string_agg(organization_id, ' ') from placeholders";
    assert_eq!(world.value(left).await, "b");
    let logs = world.control().await.logs().await.join("\n");
    for placeholder in [&mine, &theirs] {
        assert!(!logs.contains(placeholder.as_str()), "{logs}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_go_on_and_a_key_that_names_nothing_are_refused_by_name() {
    let world = filled().await;
    let of_agents = world
        .ok(json!({"command": "list_agents", "organization_id": "one"}))
        .await["next"]
        .clone();
    let placeholder = "postern_secret_1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    let id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    for (command, fields, named) in [
        ("list_agents", json!({"after": "n-100"}), "`after`"),
        ("list_agents", json!({"after": ""}), "`after`"),
        ("list_agents", json!({"after": 1}), "`after`"),
        ("list_grants", json!({"after": of_agents}), "`after`"),
        (
            "list_agents",
            json!({"agent_id": "n-100"}),
            "unknown field `agent_id`",
        ),
        ("list_agents", json!({"limit": 5}), "unknown field `limit`"),
        (
            "list_organizations",
            json!({}),
            "unknown field `organization_id`",
        ),
        (
            "get_organization",
            json!({}),
            "unknown field `organization_id`",
        ),
        ("get_agent", json!({}), "`agent_id`"),
        ("get_agent", json!({"id": "n-100"}), "unknown field `id`"),
        ("get_agent", json!({"agent_id": "a b"}), "`agent_id`"),
        ("delete_connection", json!({}), "`id`"),
        (
            "delete_policy",
            json!({"agent_id": "n-100", "rules": []}),
            "`rules`",
        ),
        ("get_grant", json!({"agent_id": "n-100"}), "`pattern`"),
        (
            "get_grant",
            json!({"agent_id": "n-100", "pattern": "x".repeat(256)}),
            "`pattern`",
        ),
        ("get_placeholder", json!({}), "`placeholder`"),
        (
            "get_placeholder",
            json!({"id": id, "placeholder": placeholder}),
            "`placeholder`",
        ),
        ("delete_placeholder", json!({"id": placeholder}), "`id`"),
        (
            "delete_placeholder",
            json!({"placeholder": id}),
            "`placeholder`",
        ),
        (
            "delete_placeholder",
            json!({"placeholder": [placeholder]}),
            "`placeholder`",
        ),
        ("list_agent", json!({}), "`list_agents`"),
        ("get_agents", json!({}), "`get_agent`"),
        ("delete_secretary", json!({}), "`delete_organization`"),
    ] {
        let command = merged(
            json!({"command": command, "organization_id": "one"}),
            fields,
        );
        let answer = world.command(command.clone()).await;
        assert_eq!(code(&answer), "invalid_request", "{command}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{command}: {message}");
        assert!(!message.contains(placeholder), "{message}");
    }
    let alias = json!({"command": "list_policys", "organization_id": "one"});
    assert_eq!(
        world.ok(alias).await["items"].as_array().unwrap().len(),
        100
    );
    let none = json!({"command": "list_agents", "organization_id": "nobody"});
    assert_eq!(world.ok(none).await, json!({"items": []}));
}

/// No statement deletes more than a batch, however much there is, and what decides goes with whom it concerns.
#[tokio::test]
async fn much_is_deleted_in_batches_and_no_agent_acts_without_its_policy() {
    let world = World::new().await;
    let control = world.store(Schema::Control).await;
    world
        .sql(
            "insert into organizations (id) values ('big');
             insert into agents (organization_id, id) select 'big', 'n-' || n from generate_series(1, 150) n;
             insert into egress_policies (organization_id, agent_id, rules)
                 select 'big', 'n-' || n, '[]' from generate_series(1, 150) n;
             insert into egress_policies (organization_id, rules) values ('big', '[]');
             insert into placeholders
                 (token_hash, organization_id, agent_id, env_var_name, deployment_name, expires_at)
                 select sha256(n::text::bytea), 'big', 'n-1', 'KEY', 'd', now() from generate_series(1, 2500) n",
        )
        .await;
    let left = "select (select count(*) from placeholders) || ' ' || (select count(*) from agents) || ' ' ||
        (select count(*) from egress_policies)";
    let big = Record::Organization(OrganizationKey {
        id: "big".to_owned().try_into().unwrap(),
    });
    for (remains, expected) in [
        (true, "1500 150 151"),
        (true, "500 150 151"),
        (true, "0 50 51"),
        (false, "0 0 1"),
    ] {
        assert_eq!(control.record_empty(&big).await.unwrap(), remains);
        assert_eq!(world.value(left).await, expected);
    }
    assert_eq!(big.kind(), Kind::Organization);
    assert_eq!(control.record_delete(&big).await.unwrap(), 1);
    assert_eq!(world.value(left).await, "0 0 0");
}
