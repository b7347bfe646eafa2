//! The proxy's composition root.

use postern::telemetry::Metrics;
use postern_proxy::{App, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // A cold start that fails leaves it so.
    let mut ended = ExitCode::FAILURE;
    let serving = &mut ended;
    postern::telemetry::start(|env| async move {
        let metrics = Metrics::install("proxy")?;
        *serving = run(App::from_env(&env, metrics).await?, &env).await?;
        Ok(())
    })
    .await;
    ended
}
