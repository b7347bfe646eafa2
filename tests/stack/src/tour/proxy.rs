//! Proxied requests: the key, a stream, another organization, an outage.

use super::{CHAT, Tour, chat, code};
use crate::bundle::{Bundle, REAL_KEY};
use postern_stack::Result;

pub async fn proxied(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("acme's agent calls the provider with its placeholder as the key");
    tour.sent(&format!(
        "POST {}/api/proxy/openai/a/coder/v1/chat/completions  authorization: Bearer {placeholder}",
        bundle.base
    ));
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    let seen = bundle.upstream.seen();
    let key = seen
        .last()
        .and_then(|request| request.headers.get("authorization")?.to_str().ok())
        .unwrap_or_default();
    println!("   there   the provider received authorization: {key}");
    tour.proves(
        reply.status == 200 && key == format!("Bearer {REAL_KEY}"),
        "the placeholder became the real key, at the provider only",
    );
    tour.proves(
        !reply.text().contains(REAL_KEY),
        "the real key did not come back",
    );
    Ok(())
}

pub async fn streamed(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("The same, streamed");
    tour.sent("the same with \"stream\": true");
    let reply = chat(
        bundle,
        "coder",
        placeholder,
        &CHAT.replacen('{', "{\"stream\":true,", 1),
    )
    .await?;
    let first = reply.pieces.first().copied().unwrap_or_default();
    let last = reply.pieces.last().copied().unwrap_or_default();
    println!(
        "   back    {} in {} pieces, the first after {} ms, the last after {} ms",
        reply.status,
        reply.pieces.len(),
        first.as_millis(),
        last.as_millis()
    );
    tour.proves(
        reply.pieces.len() > 2 && first < last,
        "pieces arrive as the provider sends them; nothing is buffered",
    );
    Ok(())
}

pub async fn isolated(tour: &mut Tour, bundle: &Bundle, placeholder: &str) -> Result<()> {
    tour.step("globex's agent has got hold of acme's placeholder");
    bundle.upstream.clear();
    tour.sent("POST .../api/proxy/openai/a/helper/v1/chat/completions  with acme's placeholder");
    let reply = chat(bundle, "helper", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 401 && code(&reply) == "unauthorized",
        "another organization's placeholder is worth nothing",
    );
    tour.proves(
        bundle.upstream.seen().is_empty(),
        "the provider saw no request",
    );
    Ok(())
}

pub async fn outage(tour: &mut Tour, bundle: &mut Bundle, placeholder: &str) -> Result<()> {
    tour.step("The database goes away, and comes back");
    bundle.postgres.stop().await?;
    tour.sent("the agent's usual call, with Postgres stopped");
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.back(&reply);
    tour.proves(
        reply.status == 503 && code(&reply) == "agent_org_unresolved",
        "a caller that cannot be proven is not served: it fails closed",
    );
    tour.proves(
        reply.headers.contains_key("retry-after") && bundle.upstream.seen().is_empty(),
        "the client learns when to retry, and the provider saw no request",
    );
    bundle.postgres.start_again().await?;
    let reply = chat(bundle, "coder", placeholder, CHAT).await?;
    tour.proves(
        reply.status == 200,
        "with Postgres back, the next call passes",
    );
    Ok(())
}
