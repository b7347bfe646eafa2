//! The proxy's composition root.

use postern_proxy::{App, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    postern::config::start(|env| async move {
        let api = env.required("AWS_LAMBDA_RUNTIME_API")?.to_owned();
        run(App::from_env(&env).await?, &api).await
    })
    .await
}
