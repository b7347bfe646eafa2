//! The entry point of the control function.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern_control::App;
use std::{process::ExitCode, sync::Arc};

#[tokio::main]
async fn main() -> ExitCode {
    postern::telemetry::start(|env| async move {
        let app = Arc::new(App::from_env(&env).await?);
        let serve = move |LambdaEvent { payload, context }: LambdaEvent<serde_json::Value>| {
            let app = Arc::clone(&app);
            Box::pin(async move { Ok::<_, Error>(app.serve(payload, &context.request_id).await) })
        };
        lambda_runtime::run_concurrent(service_fn(serve)).await
    })
    .await
}
