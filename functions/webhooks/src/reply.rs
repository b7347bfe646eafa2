//! An answer as API Gateway takes it, payload 1.0 and 2.0 alike.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use postern::Error;
use postern::wire::answer::error_response;
use serde_json::Value;

fn reply(status: StatusCode, headers: HeaderMap, body: String) -> ApiGatewayProxyResponse {
    let mut reply = ApiGatewayProxyResponse::default();
    reply.status_code = status.as_u16().into();
    reply.headers = headers;
    reply.body = Some(body.into());
    reply
}

pub fn json(status: StatusCode, body: &Value) -> ApiGatewayProxyResponse {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    reply(status, headers, body.to_string())
}

pub fn empty(status: StatusCode) -> ApiGatewayProxyResponse {
    reply(status, HeaderMap::new(), String::new())
}

pub fn error(error: &Error, request_id: &str) -> ApiGatewayProxyResponse {
    let (status, headers, body) = error_response(error, request_id);
    reply(status, headers, String::from_utf8_lossy(&body).into_owned())
}
