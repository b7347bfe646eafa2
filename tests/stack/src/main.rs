//! The whole bundle on one machine: `cargo run`, or `cargo run -- --once` to end after the tour.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    reason = "only tests use it"
)]

mod bundle;
mod http_client;
mod press;
mod tour;

use bundle::Bundle;
use postern_stack::Result;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
Runs Postern on this machine, with a sample provider and a sample Slack, and shows what it does.

Usage: cargo run -- [--once] [--port N]

  --once     end after the tour; the exit code is not 0 if a step failed
  --port N   serve on 127.0.0.1:N instead of 9000
";

struct Options {
    once: bool,
    port: u16,
}

fn options() -> std::result::Result<Option<Options>, String> {
    let mut options = Options {
        once: false,
        port: 9000,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--once" => options.once = true,
            "--port" => {
                let port = arguments.next().and_then(|port| port.parse().ok());
                options.port = port.ok_or("--port takes a number from 1 to 65535")?;
            }
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument: {other}\n\n{USAGE}")),
        }
    }
    Ok(Some(options))
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    // Whichever comes first: everything that was started is dropped here, and so it ends.
    let done = tokio::select! {
        done = run(&options) => done,
        () = interrupted() => {
            println!("\nStopping: functions, Postgres and samples end now.");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe local stack failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the bundle and plays the tour; returns whether every step passed.
async fn run(options: &Options) -> Result<bool> {
    let mut bundle = Bundle::start(options.port).await?;
    let passed = tour::play(&mut bundle).await?;
    if !options.once {
        bundle.print_what_to_try();
        std::future::pending::<()>().await;
    }
    Ok(passed)
}

/// Waits for Ctrl-C or for a supervisor's request to stop.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
