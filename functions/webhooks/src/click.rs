//! A platform's webhook call: verify it, scope it, read it, claim the interaction, answer.

use crate::app::App;
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::chat::Call;
use postern::interactions::AckBudget;
use postern::wire::event::Incoming;
use postern::{Code, ConnectionId, Error};
use time::OffsetDateTime;

/// `POST /webhooks/{connection_id}`: receives a call of a chat platform.
///
/// # Errors
/// `unknown_connection`, `invalid_signature`, `secret_unavailable` or `database_unavailable`. If the platform signed
/// a malformed call: `invalid_json` or `invalid_request`.
pub(crate) async fn receive(
    app: &App,
    incoming: &Incoming,
    connection_id: &str,
) -> Result<ApiGatewayProxyResponse, Error> {
    let budget = AckBudget::start(app.ack_budget);
    let id = ConnectionId::parse(connection_id).map_err(|_| Code::UnknownConnection)?;
    let called = Box::pin(app.interactions.called(&id, budget)).await?;
    let (connection, platform) = called.ok_or(Code::UnknownConnection)?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let proof = platform.verify(incoming, &connection, now)?;
    let scope = connection.scope(&proof).ok_or(Code::InvalidSignature)?;
    let answer = match platform.read(incoming, &connection)? {
        Call::Click(click) => {
            let interactions = &app.interactions;
            // Boxed, to keep the future small on the stack.
            Box::pin(interactions.claim(&platform, scope, &click, budget)).await?
        }
        Call::Answered(answer) => Some(answer),
        Call::Other => None,
    };
    Ok(match answer {
        Some(answer) => reply::json(StatusCode::OK, &answer),
        None => reply::empty(StatusCode::OK),
    })
}
