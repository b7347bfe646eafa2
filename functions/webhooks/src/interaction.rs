//! Asking, reading and withdrawing.

use crate::app::App;
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::deadline::Deadline;
use postern::interactions::AskOutcome;
use postern::question::ask::Ask;
use postern::question::{Outcome, Status};
use postern::wire::answer::rfc3339;
use postern::wire::event::Incoming;
use postern::{Code, Error, InteractionId};
use serde_json::{Value, json};
use std::time::Duration;

/// Most that the body of a question or an approval may hold, in bytes: all of it is kept.
const BODY_LIMIT: usize = 128 * 1024;
/// Longest that a reader may wait, in seconds.
const MAX_WAIT: u64 = 25;
/// Time kept of the invocation's own to answer in.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// `POST /v1/interactions`
pub async fn create(app: &App, incoming: &Incoming) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let conversation = worker
        .conversation()
        .ok_or(Code::TokenWithoutConversation)?;
    if incoming.body.len() > BODY_LIMIT {
        return Err(Error::new(
            Code::BodyTooLarge,
            "the body is over the limit of 128 KiB",
        ));
    }
    if incoming.headers.contains_key("content-type") && !incoming.is("application/json") {
        return Err(Error::new(
            Code::InvalidRequest,
            "the header `content-type` must be application/json",
        ));
    }
    let ask = Ask::parse(&incoming.body, app.interactions.allowed())?;
    // Boxed, so that no worker's stack holds all of it.
    let asked = Box::pin(app.interactions.ask(&worker, conversation, &ask)).await?;
    Ok(match asked {
        AskOutcome::Posted(status) => reply::json(StatusCode::CREATED, &shown(ask.id(), &status)),
        AskOutcome::Reposted(status) | AskOutcome::Unchanged(status) => {
            reply::json(StatusCode::OK, &shown(ask.id(), &status))
        }
        AskOutcome::AsText(status) => posted(StatusCode::CREATED, ask.id(), &status, "text"),
        AskOutcome::Unknown(status) => posted(StatusCode::ACCEPTED, ask.id(), &status, "unknown"),
    })
}

/// An answer that says how the card was posted, where it is not as it should be.
fn posted(
    code: StatusCode,
    id: &InteractionId,
    status: &Status,
    how: &str,
) -> ApiGatewayProxyResponse {
    let mut body = shown(id, status);
    body["posted"] = how.into();
    reply::json(code, &body)
}

/// `GET /v1/interactions/{id}?wait=`: how it stands, after waiting for an answer.
pub async fn read(
    app: &App,
    incoming: &Incoming,
    id: &str,
    deadline: Deadline,
) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
    let left = deadline.left().saturating_sub(ANSWER_TIME);
    let wait = wait(&incoming.query)?;
    // Where too many wait already, the answer is how it stands; the agent asks again.
    let place = app.waiting.try_acquire();
    let wait = if place.is_ok() {
        wait.min(left)
    } else {
        Duration::ZERO
    };
    let status = app.interactions.wait(&worker, &id, wait).await?;
    Ok(reply::json(StatusCode::OK, &shown(&id, &status)))
}

fn wait(query: &str) -> Result<Duration, Error> {
    let Some(value) = query.split('&').find_map(|pair| pair.strip_prefix("wait=")) else {
        return Ok(Duration::ZERO);
    };
    match value.parse() {
        Ok(seconds @ 0..=MAX_WAIT) => Ok(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => Err(Error::field(
            "wait",
            format_args!("must be 0 to {MAX_WAIT} seconds"),
        )),
    }
}

/// `DELETE /v1/interactions/{id}`: withdraws what nobody has answered.
pub async fn withdraw(
    app: &App,
    incoming: &Incoming,
    id: &str,
) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let conversation = worker
        .conversation()
        .ok_or(Code::TokenWithoutConversation)?;
    let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
    let interactions = &app.interactions;
    interactions.withdraw(&worker, conversation, &id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn shown(id: &InteractionId, status: &Status) -> Value {
    let (name, answer) = match &status.outcome {
        Outcome::Pending => ("pending", None),
        Outcome::Answered(answer) => ("answered", Some(answer)),
        Outcome::Expired => ("expired", None),
    };
    let mut body = json!({
        "id": id,
        "status": name,
        "created_at": rfc3339(status.created_at),
        "expires_at": rfc3339(status.expires_at),
    });
    if let Some(answer) = answer {
        body["answer"] = json!(answer);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_0_to_25_seconds() {
        assert_eq!(wait("").unwrap(), Duration::ZERO);
        assert_eq!(wait("a=1&wait=25").unwrap(), Duration::from_secs(25));
        for bad in ["wait=26", "wait=-1", "wait=", "wait=x", "wait=1.5"] {
            assert_eq!(wait(bad).unwrap_err().code, Code::InvalidRequest, "{bad}");
        }
    }
}
