//! Running a command to its end.

use postern_stack::Result;
use std::{
    process::{Output, Stdio},
    time::Duration,
};
use tokio::process::Command;

/// The longest that a suite takes.
pub const RUNNING: Duration = Duration::from_secs(300);

/// Runs a command to its end.
///
/// # Errors
/// With all that the command wrote, if it fails.
pub async fn done(command: &mut Command, within: Duration) -> Result<Output> {
    let shown: Vec<_> = std::iter::once(command.as_std().get_program())
        .chain(command.as_std().get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let shown = shown.join(" ");
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match tokio::time::timeout(within, running).await {
        Ok(output) => output.map_err(|error| format!("{shown}: {error}"))?,
        Err(_) => return Err(format!("{shown}: not finished after {within:?}").into()),
    };
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Err(format!("{shown}: {}\n{}{}", output.status, said[0], said[1]).into())
}
