//! The platforms' own libraries make and sign the clicks, check the cards and verify the deliveries.

use crate::clients::{RUNNING, clients, done};
use crate::world::{CALLBACK_KEY, World};
use postern_stack::discord::public_key;
use serde_json::json;
use std::net::TcpListener;

// RFC 8032's first key.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const FORMER_SEED: [u8; 32] = [9; 32];

#[tokio::test]
async fn the_platforms_libraries_and_postern_accept_what_the_other_sends() {
    let clients = clients().await;
    let world = World::new().await;
    world.tenants().await;
    let port = {
        let free = TcpListener::bind("127.0.0.2:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let slack = (
        json!({"bot_token": "xoxb-lib", "signing_secret": ["former", "current-signing-secret"]}),
        json!({"user_id": "U1", "channel_id": "C1", "conversation_id": "1700000000.000100"}),
    );
    let chats = [
        ("slack", "slack", slack.0.clone(), slack.1.clone()),
        // The same app in a workspace that its connection names.
        ("workspace", "slack", slack.0, slack.1),
        (
            "telegram",
            "telegram",
            json!({"bot_token": "123:lib", "secret_token": ["Former", "Current_token"]}),
            json!({"user_id": "111", "channel_id": "111", "conversation_id": "111"}),
        ),
        (
            "discord",
            "discord",
            json!({"bot_token": "lib", "public_key": [public_key(&FORMER_SEED).unwrap(), PUBLIC_KEY], "application_id": "900"}),
            json!({"user_id": "222", "channel_id": "333", "conversation_id": "c"}),
        ),
    ];
    let front = world.front().await;
    let mut suite = clients.suite("chat_suite.py");
    suite
        .env("POSTERN_BASE_URL", front.url())
        .env("CHAT_PORT", port.to_string())
        .env("SLACK_SIGNING_SECRET", "current-signing-secret")
        .env("SLACK_FORMER_SECRET", "former")
        .env("TELEGRAM_SECRET_TOKEN", "Current_token")
        .env("TELEGRAM_FORMER_TOKEN", "Former")
        .env("DISCORD_SEED", SEED)
        .env(
            "DISCORD_FORMER_SEED",
            FORMER_SEED.map(|byte| format!("{byte:02x}")).concat(),
        )
        .env("CALLBACK_KEY", CALLBACK_KEY);
    for (name, platform, secret, mut talk) in chats {
        let secret_ref = format!("postern/org/a/chat/lib-{name}");
        world.secrets.put(&secret_ref, secret.to_string());
        let mut config = json!({"api_base_url": format!("http://127.0.0.2:{port}/{platform}")});
        if name == "workspace" {
            config["team_id"] = "T1".into();
            config["api_app_id"] = "A1".into();
        }
        world
            .ok(json!({"command": "put_connection", "organization_id": "a", "id": format!("lib-{name}"),
                "platform": platform, "secret_ref": secret_ref, "config": config}))
            .await;
        talk["connection_id"] = format!("lib-{name}").into();
        let token = world.token("a", "agent-a", talk).await;
        suite.env(format!("TOKEN_{}", name.to_uppercase()), token);
    }
    if let Err(error) = done(&mut suite, RUNNING).await {
        panic!("{error}");
    }
}
