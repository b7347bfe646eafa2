//! The platforms' own libraries make and sign the clicks, check the cards and verify the deliveries.

use crate::sdk::{RUNNING, SUITES, done, sdks};
use crate::support::{CALLBACK_KEY, World};
use serde_json::json;
use std::{net::TcpListener, path::Path};
use tokio::process::Command;

// RFC 8032's first key.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

#[tokio::test]
async fn what_the_platforms_libraries_make_is_taken_and_what_is_made_they_take() {
    let sdks = sdks().await;
    let world = World::new().await;
    world.tenants().await;
    let port = {
        let free = TcpListener::bind("127.0.0.2:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let chats = [
        (
            "slack",
            json!({"bot_token": "xoxb-lib", "signing_secret": ["former", "current-signing-secret"]}),
            json!({"user_id": "U1", "channel_id": "C1", "conversation_id": "1700000000.000100"}),
        ),
        (
            "telegram",
            json!({"bot_token": "123:lib", "secret_token": ["Former", "Current_token"]}),
            json!({"user_id": "111", "channel_id": "111", "conversation_id": "111"}),
        ),
        (
            "discord",
            json!({"bot_token": "lib", "public_key": ["00".repeat(32), PUBLIC_KEY], "application_id": "900"}),
            json!({"user_id": "222", "channel_id": "333", "conversation_id": "c"}),
        ),
    ];
    let front = world.front().await;
    let mut suite = Command::new(&sdks.python);
    suite
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("POSTERN_BASE_URL", front.url())
        .env("CHAT_PORT", port.to_string())
        .env("SLACK_SIGNING_SECRET", "current-signing-secret")
        .env("TELEGRAM_SECRET_TOKEN", "Current_token")
        .env("DISCORD_SEED", SEED)
        .env("CALLBACK_KEY", CALLBACK_KEY)
        .arg(Path::new(SUITES).join("chat_suite.py"));
    for (platform, secret, mut talk) in chats {
        let name = format!("postern/org/a/lib-{platform}");
        world.secrets.put(&name, secret.to_string());
        world
            .ok(json!({"command": "put_connection", "organization_id": "a", "id": format!("lib-{platform}"),
                "platform": platform, "secret_ref": name,
                "config": {"api_base_url": format!("http://127.0.0.2:{port}/{platform}")}}))
            .await;
        talk["connection_id"] = format!("lib-{platform}").into();
        let token = world.token("a", "agent-a", talk).await;
        suite.env(format!("TOKEN_{}", platform.to_uppercase()), token);
    }
    if let Err(error) = done(&mut suite, RUNNING).await {
        panic!("{error}");
    }
}
