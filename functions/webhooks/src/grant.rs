//! Reads what a person decided about a pattern for the worker's agent.

use crate::app::App;
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use percent_encoding::percent_decode;
use postern::Error;
use postern::policy::Grant;
use postern::question::GrantPattern;
use postern::wire::answer::rfc3339;
use postern::wire::event::Incoming;
use serde_json::json;

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// `GET /v1/grants?pattern=`: whether the pattern is allowed, denied or undecided for the worker's agent.
///
/// # Errors
/// `docs/api.md` lists them under this request.
pub(crate) async fn read(app: &App, incoming: &Incoming) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let pattern = pattern(&incoming.query)?;
    let mut body = json!({"pattern": pattern.to_string()});
    let (token, grant) = app.store.grant(&worker, &pattern).await?;
    token.check()?;
    match grant {
        Grant::Allowed(until) => {
            body["status"] = "allowed".into();
            if let Some(until) = until {
                body["expires_at"] = rfc3339(until).into();
            }
        }
        Grant::Denied => body["status"] = "denied".into(),
        Grant::None => body["status"] = "none".into(),
    }
    Ok(reply::json(StatusCode::OK, &body))
}

/// The decoded pattern from the query.
fn pattern(query: &str) -> Result<GrantPattern, Error> {
    let wrong = || {
        Error::field(
            "pattern",
            "is required in the query: /mcp/{server}/tools/{tool} or host:{host}",
        )
    };
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("pattern="))
        .ok_or_else(wrong)?;
    let spaced = value.replace('+', " ");
    let pattern = percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map_err(|_| wrong())?;
    if pattern.len() > MAX_PATTERN {
        return Err(wrong());
    }
    pattern.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_decoded_and_has_no_controls() {
        assert_eq!(
            pattern("a=1&pattern=%2Fmcp%2Fgit%2Ftools%2Fpush")
                .unwrap()
                .to_string(),
            "/mcp/git/tools/push"
        );
        assert_eq!(
            pattern("pattern=host:example.com").unwrap().to_string(),
            "host:example.com"
        );
        // A row that was written by hand may have any pattern.
        for other in ["pattern=x", "pattern=host:A.example"] {
            let read = pattern(other).unwrap().to_string();
            assert_eq!(Some(read.as_str()), other.strip_prefix("pattern="));
        }
        let long = format!("pattern={}", "x".repeat(513));
        for bad in [
            "",
            "pattern=",
            "patterns=x",
            "pattern=%00",
            "pattern=%ff",
            "pattern=a+b",
            &long,
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
