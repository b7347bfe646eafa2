//! Lines of children's output, and a way to wait until they are complete.

use crate::{Result, lock};
use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write},
    process::Stdio,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::sync::watch;

/// Most lines that are kept.
const MAX_LINES: usize = 20_000;
/// The longest time that written output takes to reach us.
const ON_ITS_WAY: Duration = Duration::from_secs(30);
/// A mark that we write into a pipe. No child writes it, but it may stand within a child's line.
const MARK: &[u8] = b"\0mark\0\n";

/// Lines of a child's output, or of several children's.
#[derive(Clone, Default)]
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    kept: Mutex<VecDeque<String>>,
    pipes: Mutex<Vec<Arc<Pipe>>>,
}

/// A pipe that is read.
struct Pipe {
    /// The guard holds it, so it is gone when the guard is.
    writer: Weak<PipeWriter>,
    marks_written: Mutex<u64>,
    /// Closed when the reader has reached the end.
    marks_read: watch::Receiver<u64>,
}

/// The guard's end of a child's pipe, which lets us write into it too. When this end and the child's are
/// gone, the reader reaches the end.
pub(crate) struct Output(Arc<PipeWriter>);

impl Output {
    /// The child's own end.
    pub(crate) fn of_child(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

impl Lines {
    /// Every line that has been read so far. A child's last lines may still be on their way.
    pub fn so_far(&self) -> Vec<String> {
        lock(&self.0.kept).iter().cloned().collect()
    }

    /// Every line that the children have written.
    pub async fn all(&self) -> Vec<String> {
        self.arrive().await;
        self.so_far()
    }

    /// Waits until everything that the children have written has been read.
    async fn arrive(&self) {
        let pipes = {
            let mut pipes = lock(&self.0.pipes);
            pipes.retain(|pipe| pipe.marks_read.has_changed().is_ok());
            pipes.clone()
        };
        let arrive = async {
            for pipe in pipes {
                pipe.drain().await;
            }
        };
        // A child that outlived its guard may hold a pipe open forever.
        let _ = tokio::time::timeout(ON_ITS_WAY, arrive).await;
    }

    /// A new pipe for a child.
    pub(crate) fn pipe(&self) -> Result<Output> {
        let (reader, writer) = io::pipe()?;
        let writer = Arc::new(writer);
        let (marks, marks_read) = watch::channel(0);
        lock(&self.0.pipes).push(Arc::new(Pipe {
            writer: Arc::downgrade(&writer),
            marks_written: Mutex::default(),
            marks_read,
        }));
        let lines = self.clone();
        std::thread::spawn(move || lines.read(reader, &marks));
        Ok(Output(writer))
    }

    fn read(&self, reader: PipeReader, marks: &watch::Sender<u64>) {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            if line.ends_with(MARK) {
                // The text before the mark is the beginning of a line that continues after it.
                line.truncate(line.len() - MARK.len());
                marks.send_modify(|read| *read += 1);
                continue;
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            self.keep(&line);
            line.clear();
        }
        if !line.is_empty() {
            self.keep(&line);
        }
    }

    fn keep(&self, line: &[u8]) {
        let mut kept = lock(&self.0.kept);
        if kept.len() == MAX_LINES {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(line).into_owned());
    }
}

impl Pipe {
    /// Waits until everything in the pipe has been read.
    async fn drain(&self) {
        let mut read = self.marks_read.clone();
        // A reader that is gone has read everything.
        let _ = match self.mark() {
            Some(mark) => read.wait_for(|read| *read >= mark).await.map(drop),
            None => read.wait_for(|_| false).await.map(drop),
        };
    }

    /// Marks the present end of the pipe; returns the mark's number, unless the pipe is closed.
    fn mark(&self) -> Option<u64> {
        let writer = self.writer.upgrade()?;
        // Held while the mark is written, so that marks are read in the order of their numbers.
        let mut written = lock(&self.marks_written);
        (&*writer).write_all(MARK).ok()?;
        *written += 1;
        Some(*written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes as a child does.
    fn child(output: &Output) -> PipeWriter {
        output.0.try_clone().unwrap()
    }

    #[tokio::test]
    async fn what_was_written_before_is_among_the_lines_and_no_mark_is() {
        let lines = Lines::default();
        let output = lines.pipe().unwrap();
        let mut child = child(&output);
        for n in 0..2_000 {
            writeln!(child, "{n} {}", "x".repeat(500)).unwrap();
            if n % 100 == 0 {
                assert_eq!(lines.all().await.len(), n + 1);
            }
        }
        let all = lines.all().await;
        assert_eq!(all.len(), 2_000);
        assert!(
            (0..)
                .zip(&all)
                .all(|(n, line)| line.starts_with(&format!("{n} x")))
        );
    }

    #[tokio::test]
    async fn a_mark_amid_a_line_leaves_it_whole() {
        let lines = Lines::default();
        let output = lines.pipe().unwrap();
        let mut child = child(&output);
        child.write_all(b"half a ").unwrap();
        assert!(lines.all().await.is_empty());
        child.write_all(b"line\nand no \xff text").unwrap();
        assert_eq!(lines.all().await, ["half a line"]);
        drop((child, output));
        assert_eq!(lines.all().await, ["half a line", "and no \u{fffd} text"]);
    }

    #[tokio::test]
    async fn a_reader_ends_with_the_child_and_its_guard() {
        let lines = Lines::default();
        let output = lines.pipe().unwrap();
        let child = child(&output);
        let mut read = lock(&lines.0.pipes)[0].marks_read.clone();
        drop(output);
        assert!(read.has_changed().is_ok(), "the child may write on");
        drop(child);
        let ended = tokio::time::timeout(Duration::from_secs(10), read.changed()).await;
        assert!(ended.unwrap().is_err());
        lines.all().await;
        assert!(lock(&lines.0.pipes).is_empty());
    }
}
