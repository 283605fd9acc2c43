//! Whether the process lives and whether it should get traffic.

use std::sync::atomic::{AtomicBool, Ordering};

/// Alive from the start, ready when told so; a process that drains is alive but not ready.
#[derive(Debug)]
pub struct Health {
    live: AtomicBool,
    ready: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self { live: AtomicBool::new(true), ready: AtomicBool::new(false) }
    }
}

impl Health {
    /// Alive, not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the process works. If not, it should be restarted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Whether the process should get traffic.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_live() && self.ready.load(Ordering::Acquire)
    }

    /// Says whether the process should get traffic.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Says that the process cannot go on.
    pub fn set_dead(&self) {
        self.live.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_not_ready() {
        let health = Health::new();
        assert!(health.is_live() && !health.is_ready());
        health.set_ready(true);
        assert!(health.is_ready());
        health.set_dead();
        assert!(!health.is_live() && !health.is_ready());
    }
}
