//! The real function binaries, built once.

use crate::Result;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The folder of the four functions.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// A function's binary, by its name.
    pub fn of(&self, function: &str) -> PathBuf {
        self.0.join(function)
    }
}

static BUILT: OnceLock<std::result::Result<Binaries, String>> = OnceLock::new();

/// Builds the functions with our own profile, unless they are built already.
pub fn build() -> Result<Binaries> {
    BUILT
        .get_or_init(|| run().map_err(|error| error.to_string()))
        .clone()
        .map_err(Into::into)
}

fn run() -> Result<Binaries> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Builds the whole workspace, so that features resolve as in `cargo run` and nothing is built twice.
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--workspace", "--bins"])
        .current_dir(root)
        .stdin(Stdio::null());
    // Build scripts would take cargo's variables about our own package for a change, and run again.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(told) {
            command.env_remove(name);
        }
    }
    let release = !cfg!(debug_assertions);
    if release {
        command.arg("--release");
    }
    if !command.status()?.success() {
        return Err("cargo could not build the functions".into());
    }
    let profile = if release { "release" } else { "debug" };
    let own = std::env::current_exe()?;
    let folder = own
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == profile));
    let folder = folder.ok_or("the target folder is not where cargo puts it")?;
    Ok(Binaries(folder.to_owned()))
}
