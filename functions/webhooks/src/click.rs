//! A platform's call: verify, scope, claim, and only then anything else.

use crate::app::App;
use crate::platform::{Call, Click, OnPlatform};
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::event::Incoming;
use postern::scope::ConnectionScope;
use postern::secret::Freshness;
use postern::store::Claim;
use postern::{Code, ConnectionId, Error};
use std::time::Instant;
use time::OffsetDateTime;

/// `POST /webhooks/{connection_id}`
pub async fn receive(
    app: &App,
    incoming: &Incoming,
    connection_id: &str,
) -> Result<ApiGatewayProxyResponse, Error> {
    let started = Instant::now();
    let id = ConnectionId::parse(connection_id).map_err(|_| Code::UnknownConnection)?;
    let connection = app
        .store
        .connection_claimed(&id)
        .await?
        .ok_or(Code::UnknownConnection)?;
    let permit = connection
        .permit(&app.names)
        .map_err(|error| Error::from(Code::SecretUnavailable).because(error))?;
    let secret = app.secrets.read(&permit, Freshness::Cached).await?;
    let platform = app.chat.on(&connection, &secret)?;
    let proof = platform.verify(
        incoming,
        &connection,
        OffsetDateTime::now_utc().unix_timestamp(),
    )?;
    let scope = connection.scope(&proof).ok_or(Code::InvalidSignature)?;
    match platform.read(incoming, &connection)? {
        Call::Click(click) => claim(app, &platform, scope, click, started).await,
        Call::Challenge(answer) => Ok(reply::json(StatusCode::OK, &answer)),
        Call::Other => Ok(reply::empty(StatusCode::OK)),
    }
}

/// A click that wins is answered before it is settled; one that does not learns nothing.
async fn claim(
    app: &App,
    platform: &OnPlatform<'_>,
    within: ConnectionScope,
    click: Click,
    started: Instant,
) -> Result<ApiGatewayProxyResponse, Error> {
    let scope = within.user(click.user);
    let claimed = app
        .store
        .interaction_claim(
            &scope,
            &click.interaction,
            click.choice,
            &click.key,
            app.pending_ttl,
        )
        .await?;
    if let Claim::Won { payload, answer } = claimed {
        tracing::info!(
            event = "claimed",
            organization_id = scope.organization().as_str(),
            connection_id = scope.connection().as_str(),
            interaction_id = click.interaction.as_str(),
        );
        // The claim stands whatever the platform's API does; only the time for it is bounded.
        let left = app
            .ack_budget
            .saturating_sub(started.elapsed())
            .mul_f32(0.9);
        if tokio::time::timeout(left, platform.settle(&click.message, &payload, &answer))
            .await
            .is_err()
        {
            tracing::warn!(
                event = "settle_failed",
                what = "receipt and card",
                cause = "ACK_BUDGET_MS is used up"
            );
        }
    }
    Ok(reply::empty(StatusCode::OK))
}
