//! Where flow events go.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use anyhow::Context;
use postern_node::datapath::Events;
use postern_node::flows::Flow;
use tokio::io::unix::AsyncFd;

/// So many events are written before anything else gets its turn.
const BATCH: usize = 1_000;

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
        Ok(Self { events, out: out.map(BufWriter::new) })
    }

    /// Waits for events and writes some of them. Without a file they are read all the same: a full ring loses the latest.
    pub(super) async fn write_some(&mut self, names: &HashMap<u32, String>) -> anyhow::Result<()> {
        let mut ready = self.events.readable_mut().await?;
        let mut left = BATCH;
        while let Some(event) = ready.get_inner_mut().0.next() {
            if let Some(out) = &mut self.out {
                serde_json::to_writer(&mut *out, &Flow::new(&event, names))?;
                out.write_all(b"\n")?;
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
        if left > 0 {
            ready.clear_ready();
        }
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        Ok(())
    }
}
