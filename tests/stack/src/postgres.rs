//! A private throwaway Postgres.

use crate::Result;
use crate::guard::{Guard, Guarded};
use crate::lines::Lines;
use serde_json::json;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio_postgres::{Client, NoTls};

const OLDEST_VERSION: u32 = 14;
const USER: &str = "postern";
pub const FUNCTIONS: [&str; 4] = ["proxy", "webhooks", "sweep", "control"];
const FOLDER: &str = "postern-postgres-";
/// The folders of Debian, Red Hat and Homebrew.
const USUAL_FOLDERS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/usr/local/pgsql", ""),
];

/// A running server on a port of its own. Its data is deleted with it.
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    password: String,
    user: Option<(u32, u32)>,
    guard: Option<Guard>,
    lines: Lines,
    durable: bool,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Postgres {
    /// Finds, installs or fetches Postgres, and starts one.
    pub async fn start() -> Result<Self> {
        Self::begin(false).await
    }

    /// The same for measuring: every commit is on disk, as in production.
    pub async fn start_durable() -> Result<Self> {
        Self::begin(true).await
    }

    async fn begin(durable: bool) -> Result<Self> {
        remove_leftovers();
        let bin = find().await?;
        let user = unprivileged_user()?;
        let folder = std::env::temp_dir().join(format!(
            "{FOLDER}{}-{}",
            std::process::id(),
            uuid::Uuid::new_v4().simple()
        ));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        fs::write(folder.join("password"), &password)?;
        if let Some((user, group)) = user {
            chown(folder.join("password"), Some(user), Some(group))?;
            chown(&folder, Some(user), Some(group))?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let mut postgres = Self {
            bin,
            folder,
            port,
            password,
            user,
            guard: None,
            lines: Lines::default(),
            durable,
        };
        postgres.initialise()?;
        postgres.start_again().await?;
        Ok(postgres)
    }

    fn initialise(&self) -> Result<()> {
        let mut initdb = Command::new(self.bin.join("initdb"));
        initdb
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .arg("--pwfile")
            .arg(self.folder.join("password"))
            .args([
                "--username",
                USER,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
            ])
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            use std::os::unix::process::CommandExt;
            initdb.uid(user).gid(group);
        }
        let output = initdb.output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    pub fn host(&self) -> &str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database's secret, in the shape that RDS writes.
    pub fn secret_json(&self, database: &str) -> String {
        json!({"host": self.host(), "port": self.port, "username": USER, "password": self.password, "dbname": database, "sslmode": "disable"})
            .to_string()
    }

    /// Makes an outage: ends the server and keeps its data.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut guard) = self.guard.take() {
            tokio::task::spawn_blocking(move || guard.stop()).await?;
        }
        Ok(())
    }

    /// Starts the server again on the same port with the same data.
    pub async fn start_again(&mut self) -> Result<()> {
        let data = self.folder.join("data").to_string_lossy().into_owned();
        let mut arguments = vec!["-D".to_owned(), data];
        let durable = if self.durable { "on" } else { "off" };
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={}", self.folder.to_string_lossy()),
            "max_connections=300".into(),
            format!("fsync={durable}"),
            format!("full_page_writes={durable}"),
            "logging_collector=off".into(),
        ];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
        let guarded = Guarded {
            program: &self.bin.join("postgres"),
            arguments: &arguments,
            env: &[
                ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
                ("LC_ALL".into(), "C".into()),
            ],
            signal: "QUIT",
            removes: Some(&self.folder),
            user: self.user,
            lines: self.lines.clone(),
        };
        self.guard = Some(guarded.spawn()?);
        self.until_it_answers().await
    }

    async fn until_it_answers(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let error = match self.connect("postgres").await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let running = self.guard.as_mut().is_some_and(Guard::is_running);
            if !running || Instant::now() > until {
                return Err(format!(
                    "Postgres did not start: {error}\n{}",
                    self.lines.all().await.join("\n")
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Creates a login with least rights for each function, with the SQL that control prints. Each has the
    /// superuser's password, so that one secret serves all of them.
    pub async fn create_logins(&self, printed: &str) -> Result<()> {
        let client = self.connect("postgres").await?;
        let mut sql = printed.to_owned();
        for function in FUNCTIONS {
            let password = format!(":'{function}_password'");
            assert!(sql.contains(&password), "{function} has no login: {sql}");
            sql = sql.replace(&password, &format!("'{}'", self.password));
        }
        // All worlds of a run share the server.
        for function in FUNCTIONS {
            sql += &format!("alter role {} connection limit -1;", login_of(function));
        }
        Ok(client.batch_execute(&sql).await?)
    }

    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<()> {
        let template = template.unwrap_or("template1");
        let client = self.connect("postgres").await?;
        let create = format!("create database \"{name}\" template \"{template}\"");
        client.batch_execute(&create).await?;
        // `migrate` does this too, but a database does not inherit it from its template.
        let path =
            format!("alter database \"{name}\" set search_path = \"$user\", public, postern");
        Ok(client.batch_execute(&path).await?)
    }

    /// A connection as the superuser.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(self.host())
            .port(self.port)
            .user(USER)
            .password(&self.password)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// The name of the login that control's SQL creates for a function.
pub fn login_of(function: &str) -> String {
    format!("postern_{function}_login")
}

/// Deletes the data of runs that were killed.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name
            .strip_prefix(FOLDER)
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if let Some(pid) = pid
            && !is_alive(pid)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_alive(pid: u32) -> bool {
    let ps = Command::new("ps")
        .args(["-p", &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Path::new("/proc").join(pid.to_string()).exists() || ps.is_ok_and(|status| status.success())
}

/// The user to run Postgres or PgBouncer as when we are root, since both refuse to run as root.
pub(crate) fn unprivileged_user() -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self").map_or(1, |own| std::os::unix::fs::MetadataExt::uid(&own)) != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres")
        .or_else(|| ids("nobody"))
        .map(Some)
        .ok_or_else(|| "run as another user: Postgres refuses to run as root".into())
}

/// The folder of a usable `initdb` and `postgres`.
async fn find() -> Result<PathBuf> {
    if let Some(found) = candidates()
        .into_iter()
        .find(|bin| version(bin).is_some_and(|version| version >= OLDEST_VERSION))
    {
        return Ok(found);
    }
    if is_root()
        && Command::new("apt-get")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    {
        println!("Postgres was not found: installing Debian's postgresql with apt-get ...");
        install()?;
        if let Some(found) = candidates()
            .into_iter()
            .find(|bin| version(bin).is_some_and(|version| version >= OLDEST_VERSION))
        {
            return Ok(found);
        }
    }
    println!("Postgres was not found: fetching one ...");
    let mut fetched = postgresql_embedded::PostgreSQL::default();
    fetched.setup().await.map_err(|error| {
        format!("no Postgres {OLDEST_VERSION} or later was found, and none could be fetched ({error}); install one, or set POSTGRES_BIN_DIR")
    })?;
    Ok(fetched.settings().binary_dir())
}

fn is_root() -> bool {
    matches!(unprivileged_user(), Ok(Some(_)) | Err(_))
}

fn install() -> Result<()> {
    for arguments in [
        &["update"][..],
        &["install", "-y", "--no-install-recommends", "postgresql"],
    ] {
        let status = Command::new("apt-get")
            .arg("-qq")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err("apt-get could not install postgresql".into());
        }
    }
    Ok(())
}

/// Folders that may hold Postgres: the named one, then those of `PATH`, then the usual ones, newest first.
fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("POSTGRES_BIN_DIR")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    folders.extend(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths),
    );
    for (parent, bin) in USUAL_FOLDERS {
        let mut inside: Vec<PathBuf> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join(bin))
            .collect();
        inside.sort_by_key(|folder| std::cmp::Reverse(version_of_name(folder)));
        folders.extend(inside);
    }
    folders.retain(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    folders
}

fn version_of_name(folder: &Path) -> u32 {
    let digits: String = folder
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or_default()
}

fn version(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_starts_goes_away_comes_back_with_its_data_and_leaves_nothing() {
        let mut postgres = Postgres::start().await.unwrap();
        let folder = postgres.folder.clone();
        postgres.create_database("x", None).await.unwrap();
        postgres.stop().await.unwrap();
        assert!(postgres.connect("x").await.is_err());
        postgres.start_again().await.unwrap();
        assert!(postgres.connect("x").await.is_ok());
        drop(postgres);
        assert!(!folder.exists());
    }
}
