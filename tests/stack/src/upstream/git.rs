//! Git over smart HTTP: HTTP Basic in front of git's own `http-backend`, a CGI program.

use super::asked::Asked;
use super::lock;
use crate::Result;
use crate::server::{Body, whole};
use http::Response;
use std::process::Stdio;
use tokio::{io::AsyncWriteExt, process::Command};

/// The user name with which GitHub and GitLab take a token as password.
const USER: &str = "x-access-token";

pub async fn respond(asked: &Asked<'_>) -> Result<Response<Body>> {
    let allowed = asked
        .basic()
        .is_some_and(|(user, password)| user == USER && asked.knows(&password));
    if !allowed {
        let said = if asked.header("authorization").is_empty() {
            "No anonymous read access."
        } else {
            "Invalid username or token."
        };
        return Ok(Response::builder()
            .status(401)
            .header("www-authenticate", "Basic realm=\"Sample\"")
            .body(whole(said))?);
    }
    let root = lock(&asked.state.repositories).clone();
    let Some(root) = root else {
        return Ok(Response::builder()
            .status(404)
            .body(whole("no repository"))?);
    };
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", &root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", USER)
        .env("REQUEST_METHOD", &asked.seen.method)
        .env("PATH_INFO", format!("/{}", asked.path))
        .env("QUERY_STRING", asked.query)
        .env("CONTENT_TYPE", asked.header("content-type"))
        .env("CONTENT_LENGTH", asked.seen.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", asked.header("content-encoding"))
        .env("GIT_PROTOCOL", asked.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it says of a repository that is missing is its answer's matter.
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut backend = backend.spawn()?;
    let mut stdin = backend.stdin.take().ok_or("no standard input")?;
    let body = asked.seen.body.clone();
    let (written, output) = tokio::join!(
        async move { stdin.write_all(&body).await },
        backend.wait_with_output()
    );
    written?;
    of_cgi(&output?.stdout)
}

/// The answer that a CGI program wrote (RFC 3875 section 6).
fn of_cgi(output: &[u8]) -> Result<Response<Body>> {
    const END: &[u8] = b"\r\n\r\n";
    let at = output
        .windows(END.len())
        .position(|window| window == END)
        .ok_or("the backend wrote no headers")?;
    let mut response = Response::builder();
    for line in std::str::from_utf8(&output[..at])?.lines() {
        let (name, value) = line.split_once(": ").ok_or("a malformed header")?;
        response = if name.eq_ignore_ascii_case("status") {
            response.status(value.split(' ').next().unwrap_or_default())
        } else {
            response.header(name, value)
        };
    }
    Ok(response.body(whole(output[at + END.len()..].to_vec()))?)
}
