//! Calls of the functions, as an operator, a schedule, an agent or a chat platform makes them.

use super::{Answer, Press, World};
use postern_stack::{Function, HttpRequest, Invocation, StreamingInvocation};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

impl World {
    /// A command as control answers it, whether it succeeds or not.
    pub async fn command(&self, command: Value) -> Value {
        match self.control().await.invoke(command, TIMEOUT).await.unwrap() {
            Invocation::Ok(answer) => answer,
            Invocation::Error {
                error_type,
                message,
            } => panic!("control failed: {error_type}: {message}"),
        }
    }

    /// A command that succeeds.
    pub async fn ok(&self, command: Value) -> Value {
        let answer = self.command(command.clone()).await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// One invocation of the sweep: its report, or the text of its failure.
    pub async fn sweep(&self, input: Value) -> Result<Value, String> {
        match self
            .sweep_function()
            .await
            .invoke(input, TIMEOUT)
            .await
            .unwrap()
        {
            Invocation::Ok(report) => Ok(report),
            Invocation::Error { message, .. } => Err(message),
        }
    }

    pub async fn call_proxy(&self, request: HttpRequest) -> Answer {
        self.call_proxy_event(request.v2()).await
    }

    pub async fn call_proxy_event(&self, event: Value) -> Answer {
        Self::call_on(self.proxy().await, event).await
    }

    /// A call of the proxy in these environments.
    pub async fn call_on(proxy: &Function, event: Value) -> Answer {
        match proxy.invoke_streaming(event).await.unwrap() {
            StreamingInvocation::Response { prelude, mut body } => {
                let mut answer = Answer::new(&prelude, Vec::new());
                while let Some(piece) = body.next().await {
                    match piece {
                        Ok(piece) => answer.body.extend_from_slice(&piece),
                        Err(_) => {
                            answer.broken = true;
                            break;
                        }
                    }
                }
                answer
            }
            StreamingInvocation::Error {
                error_type,
                message,
            } => panic!(
                "proxy failed: {error_type}: {message}\n{}",
                proxy.lines_so_far().await.join("\n")
            ),
        }
    }

    pub async fn call_webhooks(&self, request: HttpRequest) -> Answer {
        let webhooks = self.webhooks().await;
        match webhooks.invoke(request.v2(), TIMEOUT).await {
            Ok(Invocation::Ok(answer)) => {
                let body = answer["body"].as_str().unwrap_or_default();
                Answer::new(&answer, body.into())
            }
            failed => panic!(
                "webhooks failed: {failed:?}\n{}",
                webhooks.lines_so_far().await.join("\n")
            ),
        }
    }

    /// Asks for a tunnel's decision.
    pub async fn egress(&self, token: &str, body: &Value) -> Answer {
        let request = HttpRequest::post_json("/v1/egress/decide", body)
            .header("x-postern-worker-token", token);
        self.call_proxy(request).await
    }

    /// Asks a question; returns the answer to the agent.
    pub async fn ask(&self, token: &str, body: &Value) -> Answer {
        let request = HttpRequest::post_json("/v1/interactions", body)
            .header("x-postern-worker-token", token);
        self.call_webhooks(request).await
    }

    pub async fn read(&self, token: &str, id: &str) -> Answer {
        let request = HttpRequest::get(&format!("/v1/interactions/{id}"))
            .header("x-postern-worker-token", token);
        self.call_webhooks(request).await
    }

    pub async fn withdraw(&self, token: &str, id: &str) -> Answer {
        let request = HttpRequest::new("DELETE", &format!("/v1/interactions/{id}"));
        self.call_webhooks(request.header("x-postern-worker-token", token))
            .await
    }

    /// Makes a properly signed click; returns the answer to Slack.
    pub async fn click(&self, connection: &str, click: &Press<'_>) -> Answer {
        self.call_webhooks(click.request(connection, &self.slack.cards()))
            .await
    }
}

pub fn question(id: &str) -> Value {
    json!({"id": id, "kind": "question", "question": "Deploy?", "options": ["Yes", "No"]})
}

/// An agent's call through the proxy with a placeholder as its bearer token.
pub fn through(path: &str, bearer: &str) -> HttpRequest {
    HttpRequest::post_json(
        &format!("/api/proxy/{path}"),
        &json!({"model": "m", "messages": []}),
    )
    .header("authorization", &format!("Bearer {bearer}"))
}

/// A JSON object with these members as well.
pub fn merged(mut object: Value, extra: Value) -> Value {
    let Value::Object(extra) = extra else {
        panic!("not an object: {extra}");
    };
    object.as_object_mut().unwrap().extend(extra);
    object
}
