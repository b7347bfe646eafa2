//! Stripe's API, with the key as a bearer or as the user name of HTTP Basic.

use super::asked::{Asked, answer};
use crate::Result;
use crate::server::Body;
use http::Response;
use serde_json::{Value, json};

const CUSTOMERS: [&str; 5] = ["cus_1", "cus_2", "cus_3", "cus_4", "cus_5"];

pub async fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    // A password is refused: whoever sends one has mistaken the place of the key.
    let user = asked
        .basic()
        .and_then(|(user, password)| password.is_empty().then_some(user));
    let Some(key) = asked.authorized(&["bearer"]).or(user.as_deref()) else {
        return error(
            401,
            &json!({"type": "invalid_request_error", "message": "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."}),
        );
    };
    if !asked.knows(key) {
        return error(
            401,
            &json!({"type": "invalid_request_error", "message": "Invalid API Key provided."}),
        );
    }
    let (method, segments) = asked.route();
    match (method, segments.as_slice()) {
        ("GET", ["v1", "balance"]) => found(&json!({"object": "balance", "livemode": false})),
        ("GET", ["v1", "customers"]) => customers(asked),
        ("POST", ["v1", "customers"]) => found(
            &json!({"object": "customer", "id": "cus_new", "email": asked.field("email"),
                "metadata": {"idempotency": asked.header("idempotency-key")}}),
        ),
        ("GET", ["v1", "customers", "cus_busy"]) => answer(
            429,
            &json!({"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Request rate limit exceeded."}}),
            &[
                ("stripe-rate-limited-reason", "global-rate"),
                ("stripe-should-retry", "false"),
            ],
        ),
        ("GET", ["v1", "customers", id]) => error(
            404,
            &json!({"type": "invalid_request_error", "code": "resource_missing", "param": "id", "message": format!("No such customer: '{id}'")}),
        ),
        ("POST", ["v1", "payment_intents"]) => error(
            402,
            &json!({"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}),
        ),
        ("POST", ["v1", "files"]) => match asked.file().await {
            Some(file) => found(&json!({"object": "file", "id": "file_1", "size": file.len()})),
            None => error(
                400,
                &json!({"type": "invalid_request_error", "param": "file", "message": "Missing required param: file."}),
            ),
        },
        _ => error(
            404,
            &json!({"type": "invalid_request_error", "message": format!("Unrecognized request URL ({method}: /{}).", asked.path)}),
        ),
    }
}

fn customers(asked: &Asked<'_>) -> Result<Response<Body>> {
    let after = asked.parameter("starting_after").unwrap_or_default();
    let from = CUSTOMERS.iter().position(|id| *id == after);
    let rest = CUSTOMERS.get(from.map_or(0, |at| at + 1)..).unwrap_or(&[]);
    let data: Vec<Value> = rest
        .iter()
        .take(2)
        .map(|id| json!({"object": "customer", "id": id}))
        .collect();
    found(
        &json!({"object": "list", "url": "/v1/customers", "has_more": rest.len() > 2, "data": data}),
    )
}

fn found(body: &Value) -> Result<Response<Body>> {
    answer(200, body, &[("request-id", "req_sample")])
}

fn error(status: u16, error: &Value) -> Result<Response<Body>> {
    let headers = [
        ("request-id", "req_sample"),
        ("stripe-should-retry", "false"),
    ];
    answer(status, &json!({"error": error}), &headers)
}
