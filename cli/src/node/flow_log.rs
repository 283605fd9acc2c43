//! Where flow events go.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use postern_node::datapath::Events;
use postern_node::flows::Flow;
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

/// Reads events and writes them down.
pub(super) struct FlowLog {
    events: AsyncFd<Readable>,
    out: Option<BufWriter<Box<dyn Write>>>,
    /// Whether events were left when it was written last.
    more: bool,
}

impl FlowLog {
    pub(super) fn open(events: Events, path: Option<&Path>) -> anyhow::Result<Self> {
        let out: Option<Box<dyn Write>> = match path {
            None => None,
            Some(path) if path == Path::new("-") => Some(Box::new(std::io::stdout())),
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Some(Box::new(file.with_context(|| format!("cannot write flows to {}", path.display()))?))
            }
        };
        let events = register(events).context("cannot wait for flow events")?;
        Ok(Self { events, out: out.map(BufWriter::new), more: false })
    }

    /// Waits for events and writes some of them. Without a file they are read all the same: a full ring loses the latest.
    pub(super) async fn write_some(&mut self, names: &HashMap<u32, String>) -> anyhow::Result<()> {
        if !self.more
            && let Ok(ready) = tokio::time::timeout(LOOK, self.events.readable_mut()).await
        {
            ready?.clear_ready();
        }
        let mut left = BATCH;
        while left > 0 {
            let Some(event) = self.events.get_mut().0.next() else { break };
            if let Some(out) = &mut self.out {
                serde_json::to_writer(&mut *out, &Flow::new(&event, names))?;
                out.write_all(b"\n")?;
            }
            left -= 1;
        }
        self.more = left == 0;
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        Ok(())
    }
}
