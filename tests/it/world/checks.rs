//! What most tests of the proxy and of control check of an answer.

use super::{Answer, World};
use postern_stack::HttpRequest;
use serde_json::Value;

/// The proxy refuses the request with this status and code, and the upstream sees nothing.
pub async fn refused(world: &World, request: HttpRequest, status: u64, code: &str) -> Answer {
    let shown = format!("{} {} {:?}", request.method, request.path, request.headers);
    let answer = world.call_proxy(request).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{shown}: {}",
        answer.text()
    );
    assert!(
        world.upstream.seen().is_empty(),
        "the upstream was contacted: {shown}"
    );
    answer
}

/// The proxy forwards the request with this key.
pub async fn spends(world: &World, request: HttpRequest, key: &str) {
    let shown = format!("{} {} {:?}", request.method, request.path, request.headers);
    let answer = world.call_proxy(request).await;
    assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
    let seen = world.upstream.seen();
    assert_eq!(
        seen.last().unwrap().headers["authorization"],
        format!("Bearer {key}"),
        "{shown}"
    );
    world.upstream.clear();
}

/// Control refuses the command, for it names a secret that is not its organization's own of that kind.
pub async fn refused_by_control(world: &World, command: Value) {
    let answer = world.command(command.clone()).await;
    assert_eq!(
        answer["error"]["code"], "secret_ref_outside_organization",
        "{command}: {answer}"
    );
}
