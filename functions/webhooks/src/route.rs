//! Routes an event to its handler.

use crate::app::App;
use crate::{click, grant, interaction, reply};
use http::Method;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyResponse;
use percent_encoding::percent_decode_str;
use postern::deadline::Deadline;
use postern::wire::answer::log_error;
use postern::wire::event::{HttpEvent, Incoming};
use postern::{Code, Error};

/// Maximum size of any body, in bytes.
const BODY_LIMIT: usize = 1 << 20;

impl App {
    /// Answers one event. Errors become answers too, and are logged.
    pub async fn serve(
        &self,
        event: HttpEvent,
        request_id: &str,
        deadline: Deadline,
    ) -> ApiGatewayProxyResponse {
        let answered = match Incoming::try_from(event) {
            Ok(incoming) => Box::pin(self.handle(&incoming, deadline)).await,
            Err(error) => Err(error),
        };
        self.metrics
            .request(answered.as_ref().err().map(|error| error.code));
        answered.unwrap_or_else(|error| {
            log_error(&error, request_id);
            reply::error(&error, request_id)
        })
    }

    /// Handles one request.
    async fn handle(
        &self,
        incoming: &Incoming,
        deadline: Deadline,
    ) -> Result<ApiGatewayProxyResponse, Error> {
        let segments: Vec<&str> = incoming.path.trim_start_matches('/').split('/').collect();
        if incoming.body.len() > BODY_LIMIT {
            return Err(Code::BodyTooLarge.into());
        }
        match (segments.as_slice(), &incoming.method) {
            (["v1", "interactions"], &Method::POST) => {
                interaction::create(self, incoming, deadline).await
            }
            (["v1", "interactions", id], &Method::GET) => {
                interaction::read(self, incoming, &decoded(id)?, deadline).await
            }
            (["v1", "interactions", id], &Method::DELETE) => {
                interaction::withdraw(self, incoming, &decoded(id)?).await
            }
            (["v1", "grants"], &Method::GET) => grant::read(self, incoming).await,
            (["webhooks", connection], &Method::POST) => {
                click::receive(self, incoming, &decoded(connection)?).await
            }
            (
                ["v1", "interactions" | "grants"] | ["v1", "interactions", _] | ["webhooks", _],
                _,
            ) => Err(Code::MethodNotAllowed.into()),
            _ => Err(Code::NotFound.into()),
        }
    }
}

/// A segment of the path, percent-decoded.
fn decoded(segment: &str) -> Result<String, Error> {
    let text = percent_decode_str(segment).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| Error::new(Code::InvalidRequest, "the path is not UTF-8"))
}
