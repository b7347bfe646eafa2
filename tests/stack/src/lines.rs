//! Lines of children's output, and when everything that was written is among them.

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
/// Longest that what was written is on its way to us.
const ON_ITS_WAY: Duration = Duration::from_secs(30);
/// Written into a pipe by us. No child of ours writes it, but it may come amid a child's line.
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
    /// Its guard's, and gone with it.
    writer: Weak<PipeWriter>,
    marks_written: Mutex<u64>,
    /// Closed when the reader has come to the end.
    marks_read: watch::Receiver<u64>,
}

/// The guard's end of a child's pipe, by which we too can write into it. When it and the child's ends
/// are gone, the reader comes to the end.
pub(crate) struct Output(Arc<PipeWriter>);

impl Output {
    /// The child's own end.
    pub(crate) fn of_child(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }
}

impl Lines {
    /// Every line that has been read so far. What a child wrote last may still be on its way.
    pub fn so_far(&self) -> Vec<String> {
        lock(&self.0.kept).iter().cloned().collect()
    }

    /// Every line that the children have written.
    pub async fn all(&self) -> Vec<String> {
        self.arrive().await;
        self.so_far()
    }

    /// Waits until what the children have written is among the lines.
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
        // A child that outlived its guard may hold a pipe open for ever.
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
                // What is before it is the beginning of a line that goes on.
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
    /// Waits until what is in the pipe has been read.
    async fn drain(&self) {
        let mut read = self.marks_read.clone();
        // A reader that is gone has read everything.
        let _ = match self.mark() {
            Some(mark) => read.wait_for(|read| *read >= mark).await.map(drop),
            None => read.wait_for(|_| false).await.map(drop),
        };
    }

    /// Marks what is in the pipe now; the mark's number, if the pipe is still ours to write into.
    fn mark(&self) -> Option<u64> {
        let writer = self.writer.upgrade()?;
        // Held while it is written, so that marks are read in the order of their numbers.
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
