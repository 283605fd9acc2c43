//! When to stop trying a guest that fails again and again.

use std::time::{Duration, Instant};

/// Faults in a row of one kind of call after which the guest is held back.
const PATIENCE: u32 = 10;
/// How long it is held back before it is tried once more.
const BACK_OFF: Duration = Duration::from_secs(5);

/// What the guest was asked about. Each kind is counted by itself: a client may open a connection for every request,
/// and that the guest lets connections in says nothing of what it does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Connection,
    Request,
}

#[derive(Debug, Default)]
pub(crate) struct Recovery {
    connections: u32,
    requests: u32,
    total: u64,
    held_until: Option<Instant>,
}

impl Recovery {
    pub(crate) fn fault(&mut self, work: Work) {
        self.total += 1;
        let count = self.count(work);
        *count = count.saturating_add(1);
        if *count >= PATIENCE {
            self.held_until = Some(Instant::now() + BACK_OFF);
        }
    }

    pub(crate) fn success(&mut self, work: Work) {
        *self.count(work) = 0;
    }

    /// A configuration made the guest another one, which gets its own chance.
    pub(crate) fn configured(&mut self) {
        (self.connections, self.requests, self.held_until) = (0, 0, None);
    }

    /// It failed over a configuration that is not in use: that says nothing of the guest which is.
    pub(crate) fn failed_configuration(&mut self) {
        self.total += 1;
    }

    pub(crate) fn held_back(&self) -> bool {
        self.held_until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn in_a_row(&self) -> u32 {
        self.connections.max(self.requests)
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    fn count(&mut self, work: Work) -> &mut u32 {
        match work {
            Work::Connection => &mut self.connections,
            Work::Request => &mut self.requests,
        }
    }
}
