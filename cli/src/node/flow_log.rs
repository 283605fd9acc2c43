//! Where flow events go.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use postern_node::datapath::Events;
use postern_node::flows::Flow;
use serde::Serialize;
use tokio::io::unix::AsyncFd;

/// So many events are written before anything else gets its turn.
const BATCH: usize = 1_000;
/// The kernel wakes us only when much waits: otherwise we look by ourselves.
const LOOK: Duration = Duration::from_millis(100);

struct Readable(Events);

impl AsRawFd for Readable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe; the ring's descriptor is open as long as the value lives"
)]
fn register(events: Events) -> std::io::Result<AsyncFd<Readable>> {
    AsyncFd::new(Readable(events))
}

/// Where flows are written to, a line each.
pub(super) struct Sink {
    out: BufWriter<Box<dyn Write>>,
    /// Lines that could not be written since it was told last.
    lost: u64,
}

impl Sink {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdout())));
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot write flows to {}", path.display()))?;
        Ok(Self::new(Box::new(file)))
    }

    fn new(out: Box<dyn Write>) -> Self {
        Self { out: BufWriter::new(out), lost: 0 }
    }

    /// Writes a line as a whole, or loses it as a whole: a line shorter than the buffer never is there by half.
    fn write(&mut self, flow: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(flow)?;
        line.push(b'\n');
        let written = self.out.write_all(&line);
        self.lost += u64::from(written.is_err());
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        if self.lost > 0 {
            tracing::warn!(lost = self.lost, "flows were lost while they could not be written");
            self.lost = 0;
        }
        Ok(())
    }
}

/// Reads events and writes them down.
pub(super) struct FlowLog {
    events: AsyncFd<Readable>,
    sink: Option<Sink>,
    /// Whether events were left when it was written last.
    more: bool,
}

impl FlowLog {
    pub(super) fn new(events: Events, sink: Option<Sink>) -> anyhow::Result<Self> {
        let events = register(events).context("cannot wait for flow events")?;
        Ok(Self { events, sink, more: false })
    }

    /// Waits for events and writes some of them. Without a file, or one that takes nothing, they are read all the same:
    /// a full ring loses the latest.
    pub(super) async fn write_some(&mut self, names: &HashMap<u32, String>) -> io::Result<()> {
        let mut result = Ok(());
        if !self.more {
            match tokio::time::timeout(LOOK, self.events.readable_mut()).await {
                Ok(Ok(mut ready)) => ready.clear_ready(),
                Ok(Err(error)) => {
                    tokio::time::sleep(LOOK).await;
                    result = Err(error);
                }
                Err(_) => {}
            }
        }
        let mut left = BATCH;
        while left > 0 {
            let Some(event) = self.events.get_mut().0.next() else { break };
            if let Some(sink) = &mut self.sink {
                result = result.and(sink.write(&Flow::new(&event, names)));
            }
            left -= 1;
        }
        self.more = left == 0;
        if let Some(sink) = &mut self.sink {
            result = result.and(sink.flush());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes so many bytes, and no more until it has room again.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn make_room(&self, bytes: usize) {
            self.0.lock().unwrap().1 = bytes;
        }

        fn lines(&self) -> Vec<u64> {
            let text = String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (content, room) = &mut *self.0.lock().unwrap();
            let taken = bytes.get(..*room).unwrap_or(bytes);
            *room -= taken.len();
            content.extend(taken);
            if taken.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_whole_lines_and_no_others() {
        let disk = Disk::default();
        let mut sink = Sink::new(Box::new(disk.clone()));
        disk.make_room(10);
        // Numbers of nine digits: ten bytes with the end of the line.
        let number = |number: u64| 100_000_000 + number;
        for line in 0..2000 {
            let _ = sink.write(&number(line));
        }
        assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        let lost = sink.lost;
        assert!(lost > 0);
        disk.make_room(usize::MAX);
        sink.write(&number(2000)).unwrap();
        sink.flush().unwrap();
        assert_eq!(sink.lost, 0, "it was told");
        let lines = disk.lines();
        assert_eq!(u64::try_from(lines.len()).unwrap(), 2001 - lost);
        assert!(lines.is_sorted() && lines.ends_with(&[number(2000)]), "{lines:?}");
    }
}
