//! The entry point of the sweep function.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use postern::deadline::Deadline;
use postern_sweep::App;
use std::{process::ExitCode, sync::Arc};

#[tokio::main]
async fn main() -> ExitCode {
    postern::telemetry::start(|env| async move {
        let app = Arc::new(App::from_env(&env).await?);
        let serve = move |LambdaEvent { payload, context }: LambdaEvent<serde_json::Value>| {
            let app = Arc::clone(&app);
            Box::pin(async move {
                app.run(&payload, Deadline::at(context.deadline()))
                    .await
                    .map_err(Error::from)
            })
        };
        lambda_runtime::run_concurrent(service_fn(serve)).await
    })
    .await
}
