//! When to stop trying a guest that fails again and again.

use std::time::{Duration, Instant};

/// Faults in a row after which the guest is held back.
const PATIENCE: u32 = 10;
/// How long it is held back before it is tried once more.
const BACK_OFF: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Recovery {
    in_a_row: u32,
    total: u64,
    held_until: Option<Instant>,
}

impl Recovery {
    pub(crate) fn fault(&mut self) {
        self.total += 1;
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row >= PATIENCE {
            self.held_until = Some(Instant::now() + BACK_OFF);
        }
    }

    pub(crate) fn success(&mut self) {
        self.in_a_row = 0;
        self.held_until = None;
    }

    pub(crate) fn held_back(&self) -> bool {
        self.held_until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}
