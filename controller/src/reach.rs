//! Whether the API server can be reached, and whether everything was seen once. Readiness reads this.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postern_controller_index::Kind;

use crate::kind::PerKind;

/// Who talks to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The watch of a kind.
    Watch(Kind),
    /// The election, which asks every other second and so is the first to notice.
    Election,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    listed: bool,
    failing_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct All {
    watches: PerKind<State>,
    election: State,
}

/// What is known of the API server. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Reach(Arc<Mutex<All>>);

impl Reach {
    /// It answered.
    pub fn answered(&self, party: Party) {
        self.with(party, |state| state.failing_since = None);
    }

    /// All objects of the kind are known.
    pub fn listed(&self, kind: Kind) {
        self.with(Party::Watch(kind), |state| *state = State { listed: true, failing_since: None });
    }

    /// It did not answer.
    pub fn failed(&self, party: Party, now: Instant) {
        self.with(party, |state| {
            state.failing_since.get_or_insert(now);
        });
    }

    /// Why the controller is not ready: something was never seen, or cannot be seen for `away`.
    #[must_use]
    pub fn trouble(&self, now: Instant, away: Duration) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&str> =
            Kind::ALL.into_iter().filter(|kind| !all.watches.get(*kind).listed).map(Kind::name).collect();
        if !missing.is_empty() {
            return Some(format!("not listed yet: {}", missing.join(", ")));
        }
        let is_away =
            |state: &State| state.failing_since.is_some_and(|since| now.duration_since(since) >= away);
        let mut failing: Vec<&str> =
            Kind::ALL.into_iter().filter(|kind| is_away(all.watches.get(*kind))).map(Kind::name).collect();
        if is_away(&all.election) {
            failing.push("Lease");
        }
        let seconds = away.as_secs();
        (!failing.is_empty())
            .then(|| format!("the API server fails for over {seconds} s: {}", failing.join(", ")))
    }

    fn with(&self, party: Party, change: impl FnOnce(&mut State)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match party {
            Party::Watch(kind) => change(all.watches.get_mut(kind)),
            Party::Election => change(&mut all.election),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_everything_was_seen_and_nothing_fails_for_long() {
        let (reach, now) = (Reach::default(), Instant::now());
        let away = Duration::from_secs(30);
        for kind in Kind::ALL {
            assert!(reach.trouble(now, away).is_some_and(|it| it.contains(kind.name())), "{kind:?}");
            reach.listed(kind);
        }
        assert_eq!(reach.trouble(now, away), None);
        reach.failed(Party::Election, now);
        reach.failed(Party::Election, now + Duration::from_secs(20));
        assert_eq!(reach.trouble(now + Duration::from_secs(29), away), None);
        assert!(reach.trouble(now + away, away).is_some_and(|it| it.contains("Lease")));
        reach.answered(Party::Election);
        assert_eq!(reach.trouble(now + away, away), None);
    }
}
