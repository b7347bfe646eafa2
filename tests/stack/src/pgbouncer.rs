//! A private throwaway PgBouncer in transaction mode: the pooler that operators put before Postgres.

use crate::Result;
use crate::guard::{Guard, Guarded};
use crate::lines::Lines;
use crate::postgres::{FUNCTIONS, login_of, unprivileged_user};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const HOST: &str = "127.0.0.1";
/// Where packages put it, which is not in everybody's `PATH`.
const USUAL_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
/// Fewer connections than the functions hold open, so that they have to share.
pub const SERVER_SESSIONS: usize = 2;

/// A running PgBouncer on a port of its own.
pub struct PgBouncer {
    folder: PathBuf,
    port: u16,
    login: Login,
    guard: Option<Guard>,
    lines: Lines,
}

/// What a database's secret says about the server and its user.
#[derive(Deserialize)]
struct Login {
    host: String,
    port: u16,
    username: String,
    password: String,
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl PgBouncer {
    /// Starts one in front of the server that a database's secret names, for all its databases.
    pub async fn start(database_secret: &str) -> Result<Self> {
        let login: Login = serde_json::from_str(database_secret)?;
        let program = find()?;
        // PgBouncer refuses to run as root, as Postgres does.
        let user = unprivileged_user()?;
        let port = std::net::TcpListener::bind((HOST, 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!(
            "postern-pgbouncer-{}-{}",
            std::process::id(),
            uuid::Uuid::new_v4().simple()
        ));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let bouncer = Self {
            folder,
            port,
            login,
            guard: None,
            lines: Lines::default(),
        };
        bouncer.configure(user)?;
        bouncer.run(&program, user).await
    }

    fn configure(&self, user: Option<(u32, u32)>) -> Result<()> {
        let Login {
            host,
            port,
            username,
            password,
        } = &self.login;
        // It needs the plain password to log in to the server with SCRAM.
        let of_functions = FUNCTIONS.map(login_of);
        let users = of_functions.iter().chain([username]);
        let users: String = users
            .map(|user| format!("\"{user}\" \"{password}\"\n"))
            .collect();
        fs::write(self.folder.join("users"), users)?;
        let folder = self.folder.to_string_lossy();
        fs::write(
            self.folder.join("pgbouncer.ini"),
            format!(
                "[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {HOST}
listen_port = {}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = {username}
pool_mode = transaction
default_pool_size = {SERVER_SESSIONS}
",
                self.port
            ),
        )?;
        if let Some((user, group)) = user {
            for path in [
                self.folder.join("users"),
                self.folder.join("pgbouncer.ini"),
                self.folder.clone(),
            ] {
                chown(path, Some(user), Some(group))?;
            }
        }
        Ok(())
    }

    async fn run(mut self, program: &Path, user: Option<(u32, u32)>) -> Result<Self> {
        let arguments = [self
            .folder
            .join("pgbouncer.ini")
            .to_string_lossy()
            .into_owned()];
        let guarded = Guarded {
            program,
            arguments: &arguments,
            env: &[("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            // It has nothing to save, and other signals make it wait for its clients.
            signal: "KILL",
            removes: Some(&self.folder),
            user,
            lines: self.lines.clone(),
        };
        self.guard = Some(guarded.spawn()?);
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let error = match self.console().await {
                Ok(_) => return Ok(self),
                Err(error) => error,
            };
            let running = self.guard.as_mut().is_some_and(Guard::is_running);
            if !running || Instant::now() > until {
                return Err(format!(
                    "PgBouncer did not start: {error}\n{}",
                    self.lines.all().await.join("\n")
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn host(&self) -> &str {
        HOST
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every line of its output.
    pub async fn logs(&self) -> Vec<String> {
        self.lines.all().await
    }

    /// One of the console's lists, such as `clients` or `servers`: rows by column.
    pub async fn show(&self, list: &str) -> Result<Vec<BTreeMap<String, String>>> {
        let messages = self
            .console()
            .await?
            .simple_query(&format!("show {list}"))
            .await?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let by_column = rows.map(|row| {
            let columns = row.columns().iter().enumerate();
            columns
                .map(|(index, column)| {
                    let value = row.get(index).unwrap_or_default();
                    (column.name().to_owned(), value.to_owned())
                })
                .collect()
        });
        Ok(by_column.collect())
    }

    async fn console(&self) -> Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(HOST)
            .port(self.port)
            .user(&self.login.username)
            .password(&self.login.password)
            .dbname("pgbouncer");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(USUAL_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.exists())
        .ok_or_else(|| "PgBouncer was not found; install the package pgbouncer".into())
}
