//! Answers in the form of API Gateway, which is the same for payload formats 1.0 and 2.0.

use http::{Response, StatusCode};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::Error;
use postern::wire::answer;
use serde_json::Value;

/// Converts an HTTP response.
fn reply(answer: Response<String>) -> ApiGatewayProxyResponse {
    let (parts, body) = answer.into_parts();
    let mut reply = ApiGatewayProxyResponse::default();
    reply.status_code = parts.status.as_u16().into();
    reply.headers = parts.headers;
    reply.body = Some(body.into());
    reply
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: &Value) -> ApiGatewayProxyResponse {
    reply(answer::json(status, body))
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> ApiGatewayProxyResponse {
    let mut empty = Response::new(String::new());
    *empty.status_mut() = status;
    reply(empty)
}

/// The answer for an error.
pub(crate) fn error(error: &Error, request_id: &str) -> ApiGatewayProxyResponse {
    reply(answer::error_response(error, request_id))
}
