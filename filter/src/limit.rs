//! How often something is said in the log.

use std::cell::Cell;
use std::fmt;

use proxy_wasm::types::MetricType;

use crate::host;

const SECOND: u64 = 1_000_000_000;

/// A token bucket of one second: so many lines at once, and so many a second after that.
pub(crate) struct Limit {
    /// Lines a second.
    rate: u64,
    /// What may be said now, in lines times nanoseconds.
    credit: Cell<u64>,
    /// When that was.
    at: Cell<u64>,
    /// What has not been said since something was.
    untold: Cell<u64>,
    /// The counter of all that has not been said.
    counter: &'static str,
}

/// How many lines were left out before this one; printed as its end.
pub(crate) struct Untold(u64);

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} before it were not logged)"),
        }
    }
}

impl Limit {
    /// At most `rate` lines a second; none for 0.
    pub(crate) fn new(rate: u16, counter: &'static str) -> Self {
        let rate = u64::from(rate);
        let credit = Cell::new(rate * SECOND);
        Self { rate, credit, at: Cell::new(host::now().unwrap_or(0)), untold: Cell::new(0), counter }
    }

    /// Whether a line may be said. One that may not is counted.
    pub(crate) fn take(&self) -> Option<Untold> {
        // A clock that goes back, or that is none, gives no credit.
        let now = host::now().unwrap_or(0);
        let passed = now.saturating_sub(self.at.replace(now)).min(SECOND);
        let credit = (self.credit.get() + passed * self.rate).min(self.rate * SECOND);
        match credit.checked_sub(SECOND) {
            Some(left) => {
                self.credit.set(left);
                Some(Untold(self.untold.replace(0)))
            }
            None => {
                self.credit.set(credit);
                self.untold.set(self.untold.get().saturating_add(1));
                // Defining it again finds it: rare enough not to keep the number.
                if let Ok(id) = host::metric(MetricType::Counter, self.counter) {
                    host::increment(id);
                }
                None
            }
        }
    }
}
