//! How a pattern stands for the asking agent.

use crate::app::App;
use crate::reply;
use http::StatusCode;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use percent_encoding::percent_decode;
use postern::Error;
use postern::policy::Grant;
use postern::wire::answer::rfc3339;
use postern::wire::event::Incoming;
use serde_json::json;

const MAX_PATTERN: usize = 512;

/// `GET /v1/grants?pattern=`
pub async fn read(app: &App, incoming: &Incoming) -> Result<ApiGatewayProxyResponse, Error> {
    let worker = app.worker(incoming).await?;
    let pattern = pattern(&incoming.query)?;
    let mut body = json!({"pattern": pattern});
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

fn pattern(query: &str) -> Result<String, Error> {
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
    let visible = pattern.chars().all(|c| !c.is_control() && c != ' ');
    if pattern.is_empty() || pattern.len() > MAX_PATTERN || !visible {
        return Err(wrong());
    }
    Ok(pattern.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_decoded_and_has_no_controls() {
        assert_eq!(
            pattern("a=1&pattern=%2Fmcp%2Fgit%2Ftools%2Fpush").unwrap(),
            "/mcp/git/tools/push"
        );
        assert_eq!(
            pattern("pattern=host:example.com").unwrap(),
            "host:example.com"
        );
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
