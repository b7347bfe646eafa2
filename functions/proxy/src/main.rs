//! The proxy's composition root.

use postern::telemetry::Metrics;
use postern_proxy::{App, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    postern::config::start(|env| async move {
        let api = env.required("AWS_LAMBDA_RUNTIME_API")?.to_owned();
        let metrics = Metrics::install("proxy")?;
        run(App::from_env(&env, metrics).await?, &api).await
    })
    .await
}
