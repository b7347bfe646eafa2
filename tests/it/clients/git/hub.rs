//! Repositories behind a proxy, and a git that reaches them there.

use crate::clients::{provider, seen};
use crate::world::{REAL_KEY, World};
use base64::{Engine, engine::general_purpose::STANDARD};
use postern_stack::upstream::binary;
use postern_stack::{Front, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const SLUG: &str = "github-git";
const RUNNING: Duration = Duration::from_secs(120);

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A world with one provider, which serves git's repositories, and an organization that has its key.
pub struct Hub {
    pub sample: Upstream,
    pub placeholder: String,
    front: Front,
    folder: Folder,
    /// Where the credential goes.
    shape: Value,
    _world: World,
}

impl Hub {
    pub async fn new() -> Self {
        let folder =
            Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(uuid::Uuid::new_v4().to_string()));
        fs::create_dir_all(&folder.0).unwrap();
        let sample = Upstream::playing(SLUG).await.unwrap();
        sample.set_expected_key(Some(REAL_KEY.into()));
        sample.serve_repositories(folder.0.clone());
        let entry = provider::at(SLUG, &sample.url());
        let host = format!("127.0.0.1:{}", sample.port());
        let world = World::with_env(&[
            ("PROVIDERS", &json!([entry]).to_string()),
            ("ALLOW_PRIVATE_UPSTREAMS", &host),
        ])
        .await;
        world.tenants().await;
        world.secrets.put("postern/org/a/keys/git", REAL_KEY);
        world
            .ok(json!({"command": "put_profile", "organization_id": "a", "id": "git", "provider_id": provider::id(&entry),
                "auth_type": "api_key", "secret_ref": "postern/org/a/keys/git"}))
            .await;
        let placeholder = world.minted("a", "agent-a", json!({})).await;
        let hub = Self {
            sample,
            placeholder,
            front: world.front().await,
            folder,
            shape: entry["auth"].clone(),
            _world: world,
        };
        let bare = "owner/repo.git";
        hub.ok(&["init", "--bare", "--initial-branch=main", bare])
            .await;
        hub.ok(&["-C", bare, "config", "http.receivepack", "true"])
            .await;
        hub
    }

    /// The repository's address on the proxy, with this login before the host.
    pub fn url_with(&self, login: &str) -> String {
        let front = self
            .front
            .url()
            .replace("http://", &format!("http://{login}"));
        format!("{front}/api/proxy/{SLUG}/a/agent-a/owner/repo.git")
    }

    /// Runs git in the test's folder.
    ///
    /// # Panics
    /// With what git said, if it fails.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, b"", Trace::Off).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The same, for the headers that git sent and received.
    pub async fn traced(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, b"", Trace::Headers).await;
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    /// What git says when it fails.
    pub async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, b"", Trace::Off).await;
        assert_eq!(
            output.status.code(),
            Some(128),
            "{arguments:?}: {}",
            said(&output)
        );
        said(&output)
    }

    /// The commit that a name stands for.
    pub async fn head(&self, repository: &str, name: &str) -> String {
        self.ok(&["-C", repository, "rev-parse", "--verify", name])
            .await
    }

    /// Adds commits to a repository without a transport.
    pub async fn import(&self, repository: &str, history: History) {
        let arguments = ["-C", repository, "fast-import", "--quiet"];
        let output = self.run(&arguments, &history.written(), Trace::Off).await;
        assert!(output.status.success(), "{}", said(&output));
    }

    async fn run(&self, arguments: &[&str], input: &[u8], trace: Trace) -> Output {
        let mut git = Command::new("git");
        git.args(arguments)
            .current_dir(&self.folder.0)
            // Git must not see the machine's own configuration, logins and proxies.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.folder.0)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Trace::Headers = trace {
            git.env("GIT_TRACE_CURL", "1")
                .env("GIT_TRACE_CURL_NO_DATA", "1");
        }
        let mut running = git.spawn().expect("the test needs git; install it");
        let mut stdin = running.stdin.take().unwrap();
        let (written, output) = tokio::join!(
            async move { stdin.write_all(input).await },
            tokio::time::timeout(RUNNING, running.wait_with_output())
        );
        let output = output.expect("git did not end in time").unwrap();
        assert!(
            written.is_ok() || !output.status.success(),
            "git did not read its input"
        );
        output
    }

    /// Each request held the real credential in its place, and no placeholder anywhere.
    pub fn assert_only_the_real_key_was_seen(&self) {
        let seen = self.sample.seen();
        assert!(!seen.is_empty(), "no request arrived");
        for request in &seen {
            assert!(!seen::holds_what_is_ours(request), "{request:?}");
            let stands = seen::credential_stands(request, &self.shape, REAL_KEY);
            assert!(stands, "the credential is not in its place: {request:?}");
        }
    }
}

#[derive(Clone, Copy)]
enum Trace {
    Off,
    Headers,
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .concat()
}

/// Commits in the form that `git fast-import` reads.
pub struct History {
    branch: &'static str,
    count: usize,
    /// The branch whose last commit is their parent.
    parent: Option<&'static str>,
    noise: usize,
}

impl History {
    /// So many commits on a branch, the first without a parent.
    pub fn new(branch: &'static str, count: usize) -> Self {
        Self {
            branch,
            count,
            parent: None,
            noise: 0,
        }
    }

    /// The same on top of this branch.
    pub fn after(self, branch: &'static str) -> Self {
        Self {
            parent: Some(branch),
            ..self
        }
    }

    /// Adds a file of so many bytes, which no compression makes smaller, to each commit.
    pub fn with_noise(self, noise: usize) -> Self {
        Self { noise, ..self }
    }

    fn written(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let branch = self.branch;
        for at in 0..self.count {
            let date = 1_700_000_000 + at;
            let commit = format!(
                "commit refs/heads/{branch}\ncommitter A <a@example.com> {date} +0000\ndata 6\nChange\n"
            );
            all.extend(commit.into_bytes());
            if let (0, Some(parent)) = (at, self.parent) {
                all.extend(format!("from refs/heads/{parent}^0\n").into_bytes());
            }
            file(&mut all, "line", format!("{branch} {at}").as_bytes());
            if self.noise > 0 {
                file(&mut all, "noise", &binary(self.noise));
            }
        }
        all
    }
}

fn file(all: &mut Vec<u8>, name: &str, content: &[u8]) {
    all.extend(format!("M 100644 inline {name}\ndata {}\n", content.len()).into_bytes());
    all.extend(content);
    all.push(b'\n');
}
