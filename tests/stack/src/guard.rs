//! Child processes that end when we end, however that happens.

use crate::Result;
use crate::lines::{Lines, Output};
use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

/// Runs `$@` until it ends, until we write a word, or until our end of the pipe closes. The kernel closes
/// it whatever ends us, and only in that case the folder is removed; after a word it is still needed.
/// The watcher reads descriptor 3, since a shell's background jobs have no standard input.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( read -r word <&3 && told=1 || { told=0; trap "" TERM; }; kill -"$SUPERVISOR_SIGNAL" "$child" 2>/dev/null; exit "$told" ) &
watcher=$!
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
wait "$watcher" && [ -n "$SUPERVISOR_REMOVES" ] && rm -rf "$SUPERVISOR_REMOVES"
exit "$code"
"#;

/// A command to run, and how to end it.
pub struct Guarded<'a> {
    pub program: &'a Path,
    pub arguments: &'a [String],
    /// The child's whole environment.
    pub env: &'a [(String, String)],
    /// A signal's name, such as `KILL`.
    pub signal: &'a str,
    /// Removed after the child has ended, except after `stop`.
    pub removes: Option<&'a Path>,
    pub user: Option<(u32, u32)>,
    pub lines: Lines,
}

/// A running child; dropping it ends the child and waits for it.
pub struct Guard {
    supervisor: Child,
    pipe: Option<ChildStdin>,
    /// Held until the child has ended, so that its lines can be waited for.
    _outputs: [Output; 2],
}

impl Guarded<'_> {
    pub fn spawn(self) -> Result<Guard> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SUPERVISOR)
            .arg("sh")
            .arg(self.program)
            .args(self.arguments);
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("SUPERVISOR_SIGNAL", self.signal);
        command.env("SUPERVISOR_REMOVES", self.removes.unwrap_or(Path::new("")));
        let outputs = [self.lines.pipe()?, self.lines.pipe()?];
        command
            .stdin(Stdio::piped())
            .stdout(outputs[0].of_child()?)
            .stderr(outputs[1].of_child()?);
        // A Ctrl-C at the terminal must reach only us; we end the children in order.
        command.process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group).current_dir("/");
        }
        let mut supervisor = command.spawn()?;
        let pipe = supervisor.stdin.take();
        Ok(Guard {
            supervisor,
            pipe,
            _outputs: outputs,
        })
    }
}

impl Guard {
    /// The child's process id, while it runs.
    pub fn child(&self) -> Option<u32> {
        let supervisor = self.supervisor.id();
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = std::fs::read_to_string(children).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.supervisor.try_wait(), Ok(None))
    }

    /// Ends the child and waits for it; its folder stays.
    pub fn stop(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            // If the pipe is broken, the child has ended.
            let _ = pipe.write_all(b"stop\n");
        }
        self.end();
    }

    /// Ends the child and waits for it.
    pub fn end(&mut self) {
        // The watcher reads a written word before it reads the end of the pipe.
        drop(self.pipe.take());
        let until = Instant::now() + Duration::from_secs(10);
        while self.is_running() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.is_running() {
            let _ = self.supervisor.kill();
            let _ = self.supervisor.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(lines: &Lines) -> Guard {
        let arguments = ["-c", "echo $$; exec sleep 60"].map(str::to_owned);
        Guarded {
            program: Path::new("/bin/sh"),
            arguments: &arguments,
            env: &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            signal: "KILL",
            removes: None,
            user: None,
            lines: lines.clone(),
        }
        .spawn()
        .unwrap()
    }

    #[test]
    fn dropping_the_guard_ends_the_child() {
        let lines = Lines::default();
        let mut guard = sleeper(&lines);
        while lines.so_far().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(guard.is_running());
        let pid = lines.so_far()[0].clone();
        drop(guard);
        assert!(!Path::new("/proc").join(pid).exists());
    }
}
