//! How often something is said in the log.

use std::cell::Cell;
use std::fmt;

const SECOND: u64 = 1_000_000_000;

/// A token bucket of one second: so many lines at once, and so many a second after that.
#[derive(Debug)]
pub struct Limit {
    /// Lines a second.
    rate: u64,
    /// What may be said now, in lines times nanoseconds.
    credit: Cell<u64>,
    /// When that was.
    at: Cell<u64>,
    /// What has not been said since something was.
    untold: Cell<u64>,
}

/// How many lines were left out before this one; printed as its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untold(u64);

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({count} before it were not logged)"),
        }
    }
}

impl Limit {
    /// At most `rate` lines a second; none for 0. `now` is in nanoseconds since whenever.
    #[must_use]
    pub fn new(rate: u16, now: u64) -> Self {
        let rate = u64::from(rate);
        Self { rate, credit: Cell::new(rate * SECOND), at: Cell::new(now), untold: Cell::new(0) }
    }

    /// Whether a line may be said. `None`: it may not, and whoever asks counts it.
    #[must_use]
    pub fn take(&self, now: u64) -> Option<Untold> {
        // A clock that goes back gives no credit.
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
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of some tries at these milliseconds may be said, and how many were not before the last that was.
    fn check(per_second: u16, tries: &[(u64, usize)], expected: &[usize], last: u64) {
        const START: u64 = 1_700_000_000_000_000_000;
        let limit = Limit::new(per_second, START);
        let mut untold = Untold::default();
        let said = tries.iter().map(|&(at, times)| {
            let take = |_: &usize| match limit.take(START + at * 1_000_000) {
                Some(before) => {
                    untold = before;
                    true
                }
                None => false,
            };
            (0..times).filter(take).count()
        });
        assert_eq!(said.collect::<Vec<_>>(), expected, "{per_second} {tries:?}");
        assert_eq!(untold, Untold(last), "{per_second} {tries:?}");
    }

    #[test]
    fn a_second_s_worth_at_once_and_then_the_rate() {
        check(10, &[(0, 50), (100, 50), (350, 50), (10_000, 1)], &[10, 1, 2, 1], 48);
        check(10, &[(0, 50), (10_000, 50)], &[10, 10], 0);
        check(0, &[(0, 5), (9_000, 5)], &[0, 0], 0);
        check(1, &[(0, 2), (999, 1), (1_998, 1)], &[1, 0, 1], 2);
        // The clock goes back.
        check(1, &[(5_000, 1), (0, 3), (500, 1)], &[1, 0, 0], 0);
    }

    #[test]
    fn a_line_says_how_many_were_left_out_before_it() {
        assert_eq!(format!("x{}", Untold(0)), "x");
        assert_eq!(format!("x{}", Untold(3)), "x (3 before it were not logged)");
    }
}
