//! The provider's addresses in an answer lead back to the proxy, as the client reached it.

use crate::world::{World, through};
use postern_stack::HttpRequest;
use serde_json::{Value, json};

/// The answer of the sample provider to these headers, which it gives back.
async fn answered(
    world: &World,
    path: &str,
    headers: Value,
    event: impl Fn(HttpRequest) -> Value,
) -> Vec<Option<String>> {
    let caller = world.placeholder("a", "agent-a").await;
    let mut request = through(&format!("{path}/answer-with"), &caller);
    request.body = headers.to_string().into_bytes();
    let answer = world.call_proxy_event(event(request)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let names = headers.as_object().unwrap().keys();
    names
        .map(|name| answer.headers.get(name).cloned())
        .collect()
}

#[tokio::test]
async fn pages_redirects_and_sessions_stay_on_the_proxy() {
    let world = World::new().await;
    world.tenants().await;
    let up = world.upstream.url();
    let own = "https://postern.example/api/proxy/openai/a/agent-a";
    let some = |text: String| Some(text);
    let sent = json!({
        "content-location": "/relative",
        "link": format!("<{up}/items?page=2>; rel=\"next\", <https://elsewhere.example/x>; rel=\"last\""),
        "location": format!("{up}/moved?a=1"),
        "operation-location": format!("{up}/operations/1?api-version=2"),
        "x-goog-upload-url": format!("{up}/upload?upload_id=1"),
        "x-other": format!("{up}/x"),
    });
    let v2 = answered(&world, "openai/a/agent-a", sent.clone(), |request| {
        request.v2()
    })
    .await;
    assert_eq!(
        v2,
        [
            some(format!("{own}/relative")),
            some(format!(
                "<{own}/items?page=2>; rel=\"next\", <https://elsewhere.example/x>; rel=\"last\""
            )),
            some(format!("{own}/moved?a=1")),
            some(format!("{own}/operations/1?api-version=2")),
            some(format!("{own}/upload?upload_id=1")),
            some(format!("{up}/x")),
        ]
    );
    // A REST API's stage is part of the address.
    let v1 = answered(&world, "openai/a/agent-a", sent, |request| request.v1()).await;
    let staged = own.replace(".example/", ".example/prod/");
    assert_eq!(v1[2], some(format!("{staged}/moved?a=1")));
}

#[tokio::test]
async fn a_client_cannot_choose_where_the_next_page_is() {
    let world = World::new().await;
    world.tenants().await;
    let sent = json!({"location": format!("{}/moved", world.upstream.url())});
    let forged = |request: HttpRequest| {
        request
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .v2()
    };
    let answer = answered(&world, "openai", sent, forged).await;
    assert_eq!(
        answer,
        [Some(
            "https://postern.example/api/proxy/openai/moved".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_page_that_a_client_follows_arrives_with_the_real_key() {
    let world = World::new().await;
    world.tenants().await;
    let caller = world.placeholder("a", "agent-a").await;
    let up = world.upstream.url();
    let mut request = through("openai/a/agent-a/answer-with", &caller);
    request.body = json!({"location": format!("{up}/echo?page=2")})
        .to_string()
        .into_bytes();
    let answer = world.call_proxy(request).await;
    let next = answer.headers["location"]
        .strip_prefix("https://postern.example")
        .unwrap()
        .to_owned();
    let (path, query) = next.split_once('?').unwrap();
    let mut follow = HttpRequest::get(path).header("authorization", &format!("Bearer {caller}"));
    follow.query = query.into();
    let followed = world.call_proxy(follow).await;
    assert_eq!(
        followed.json()["path"],
        "/echo?page=2",
        "{}",
        followed.text()
    );
}
