//! Services that agents use beside models, each below a segment of its own. They check a request as the real
//! ones do: a credential in the wrong place gets the service's own error.

use super::asked::Asked;
use super::{Seen, State, git, github, gitlab, notion, slack_api, stripe};
use crate::Result;
use crate::server::Body;
use http::Response;

/// The answer of the service that the path names, if it names one.
pub async fn respond(state: &State, seen: &Seen) -> Option<Result<Response<Body>>> {
    let (service, asked) = Asked::new(state, seen)?;
    Some(match service {
        "github" => github::respond(&asked),
        "gitlab" => gitlab::respond(&asked).await,
        "notion" => notion::respond(&asked).await,
        "slack" => slack_api::respond(&asked),
        "slack-files" => slack_api::uploaded(&asked),
        "stripe" | "stripe-files" => stripe::respond(&asked).await,
        "git" => git::respond(&asked).await,
        _ => return None,
    })
}
