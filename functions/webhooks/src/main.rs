//! The entry point of the webhooks function.

use lambda_http::{Error, lambda_runtime::LambdaEvent, service_fn};
use postern::deadline::Deadline;
use postern::telemetry::Metrics;
use postern_webhooks::App;
use std::{process::ExitCode, sync::Arc};

#[tokio::main]
async fn main() -> ExitCode {
    postern::telemetry::start(|env| async move {
        let metrics = Metrics::install("webhooks")?;
        let app = Arc::new(App::from_env(&env, metrics).await?);
        app.open().await;
        let serve = move |LambdaEvent { payload, context }: LambdaEvent<
            postern::wire::event::HttpEvent,
        >| {
            let app = Arc::clone(&app);
            Box::pin(async move {
                Ok::<_, Error>(
                    app.serve(
                        payload,
                        &context.request_id,
                        Deadline::at(context.deadline()),
                    )
                    .await,
                )
            })
        };
        lambda_runtime::run_concurrent(service_fn(serve)).await
    })
    .await
}
