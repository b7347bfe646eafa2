//! Listing, showing and deleting: an organization sees and deletes its own records alone.

use super::Life;
use crate::world::World;
use serde_json::{Value, json};

/// The kinds that organizations have, by the names of their lists.
const LISTS: [&str; 7] = [
    "agents",
    "connections",
    "profiles",
    "secrets",
    "policies",
    "placeholders",
    "grants",
];

/// The names and keys of records.
fn keys(connection: &str, placeholder: &str) -> [(&'static str, Value); 7] {
    [
        (
            "grant",
            json!({"agent_id": "shared", "pattern": "/mcp/server/tools/tool"}),
        ),
        ("placeholder", json!({"placeholder": placeholder})),
        ("policy", json!({})),
        ("secret", json!({"name": "keys/x"})),
        ("profile", json!({"id": "p"})),
        ("connection", json!({"id": connection})),
        ("agent", json!({"agent_id": "shared"})),
    ]
}

impl Life<'_> {
    /// Looks at all that the organization has, and deletes it piece by piece, at last the organization itself.
    pub(super) async fn leave(&self, placeholder: &str) {
        let connection = format!("slack-{}", self.organization);
        for list in LISTS {
            self.command(&format!("list_{list}"), json!({})).await;
        }
        for verb in ["get", "delete", "get", "delete"] {
            for (kind, key) in keys(&connection, placeholder) {
                self.command(&format!("{verb}_{kind}"), key).await;
            }
        }
        for command in [
            "get_organization",
            "delete_organization",
            "get_organization",
        ] {
            self.command(command, json!({})).await;
        }
    }
}

/// Organization `a` lists, shows and deletes nothing of `b`, whose placeholder this is, although it knows all names. At
/// last it deletes all that it has.
pub(super) async fn are_out_of_reach(world: &World, theirs: &str) {
    let command = async |command: String, mut fields: Value| {
        fields["command"] = command.into();
        fields["organization_id"] = "a".into();
        world.command(fields).await
    };
    let their_id = "select id from placeholders where organization_id = 'b' limit 1";
    let their_id = world.value(their_id).await;
    let of_theirs = [
        ("placeholder", json!({"placeholder": theirs})),
        ("placeholder", json!({"id": their_id})),
        ("connection", json!({"id": "slack-b"})),
        ("agent", json!({"agent_id": "agent-b"})),
    ];
    for list in LISTS {
        let page = command(format!("list_{list}"), json!({})).await;
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["organization_id"], "a", "{list}: {item}");
        }
    }
    for (kind, key) in of_theirs {
        let shown = command(format!("get_{kind}"), key.clone()).await;
        assert_eq!(shown["error"]["code"], "not_found", "{kind}: {shown}");
        let deleted = command(format!("delete_{kind}"), key).await;
        assert_eq!(deleted, json!({"ok": true}), "{kind}");
    }
    // The same names as theirs.
    for (kind, key) in keys("slack-a", theirs) {
        let deleted = command(format!("delete_{kind}"), key).await;
        assert_eq!(deleted, json!({"ok": true}), "{kind}");
    }
    world
        .ok(json!({"command": "delete_organization", "id": "a"}))
        .await;
}
