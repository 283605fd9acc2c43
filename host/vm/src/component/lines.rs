//! How often something is said in the log: at most so many lines at once, and so many a second on average.

use std::time::{Duration, Instant};

pub(super) struct Lines {
    /// How long one line takes to be earned; `None` where none is said.
    each: Option<Duration>,
    /// The most that is saved up.
    most: Duration,
    saved: Duration,
    at: Option<Instant>,
}

impl Lines {
    pub(super) fn new(per_second: u16) -> Self {
        let most = Duration::from_secs(1);
        Self { each: most.checked_div(per_second.into()), most, saved: most, at: None }
    }

    /// Whether a line may be said now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let Some(each) = self.each else { return false };
        let passed = self.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.saved = (self.saved + passed).min(self.most);
        match self.saved.checked_sub(each) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of some tries at these milliseconds may be said.
    fn check(per_second: u16, tries: &[(u64, usize)], expected: &[usize]) {
        let (mut lines, start) = (Lines::new(per_second), Instant::now());
        let said = tries
            .iter()
            .map(|&(at, times)| (0..times).filter(|_| lines.take(start + Duration::from_millis(at))).count());
        assert_eq!(said.collect::<Vec<_>>(), expected, "{per_second} {tries:?}");
    }

    #[test]
    fn a_second_s_worth_at_once_and_then_the_rate() {
        check(10, &[(0, 50), (100, 50), (350, 50), (10_000, 50)], &[10, 1, 2, 10]);
        check(0, &[(0, 5), (9_000, 5)], &[0, 0]);
        check(1, &[(0, 2), (999, 1), (1_998, 1)], &[1, 0, 1]);
    }
}
