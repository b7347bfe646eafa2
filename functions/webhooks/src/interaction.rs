//! Asking, reading and withdrawing interactions.

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

/// Maximum size of the body of a question or an approval, in bytes. It is low because the whole body is stored.
const BODY_LIMIT: usize = 128 * 1024;
/// Longest wait of a reader, in seconds.
const MAX_WAIT: u64 = 25;
/// Time of the invocation that is kept for answering.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// `POST /v1/interactions`: asks a question or for an approval.
///
/// # Errors
/// `docs/api.md` lists them under this request.
pub(crate) async fn create(
    app: &App,
    incoming: &Incoming,
    deadline: Deadline,
) -> Result<ApiGatewayProxyResponse, Error> {
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
    // Boxed, to keep the future small on the stack.
    let asked = Box::pin(app.interactions.ask(
        &worker,
        conversation,
        &ask,
        deadline.sooner_by(ANSWER_TIME),
    ))
    .await?;
    Ok(match asked {
        AskOutcome::Posted(status) => reply::json(StatusCode::CREATED, &shown(ask.id(), &status)),
        AskOutcome::Reposted(status) | AskOutcome::Unchanged(status) => {
            reply::json(StatusCode::OK, &shown(ask.id(), &status))
        }
        AskOutcome::AsText(status) => posted(StatusCode::CREATED, ask.id(), &status, "text"),
        AskOutcome::Later(status) => posted(StatusCode::ACCEPTED, ask.id(), &status, "later"),
        AskOutcome::Unknown(status) => posted(StatusCode::ACCEPTED, ask.id(), &status, "unknown"),
    })
}

/// An answer that also says how the card was posted, for a post that was not a normal one.
fn posted(
    code: StatusCode,
    id: &InteractionId,
    status: &Status,
    posted: &str,
) -> ApiGatewayProxyResponse {
    let mut body = shown(id, status);
    body["posted"] = posted.into();
    reply::json(code, &body)
}

/// `GET /v1/interactions/{id}?wait=`: reads the status, after waiting at most `wait` seconds for an answer.
///
/// # Errors
/// `docs/api.md` lists them under this request.
pub(crate) async fn read(
    app: &App,
    incoming: &Incoming,
    id: &str,
    deadline: Deadline,
) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let id = InteractionId::parse(id).map_err(|rule| Error::field("id", rule))?;
    let left = deadline.left().saturating_sub(ANSWER_TIME);
    let wait = wait(&incoming.query)?;
    // If too many readers wait already, answer at once with the current status; the agent asks again.
    let place = app.waiting.try_acquire();
    let wait = if place.is_ok() {
        wait.min(left)
    } else {
        Duration::ZERO
    };
    let status = app.interactions.wait(&worker, &id, wait).await?;
    Ok(reply::json(StatusCode::OK, &shown(&id, &status)))
}

/// The `wait` of the query; zero if it is absent.
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

/// `DELETE /v1/interactions/{id}`: withdraws an unanswered interaction.
///
/// # Errors
/// `docs/api.md` lists them under this request.
pub(crate) async fn withdraw(
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

/// The JSON of a status, as `docs/api.md` describes it.
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
