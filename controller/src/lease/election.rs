//! The election as a state machine: what was seen of the Lease and when goes in, what to do comes out.
//!
//! Clocks of different machines are never compared. A holder counts as gone when its record has not changed for a
//! whole lease duration of our own clock; and we count as leader only for the renewal deadline after the start of our
//! last successful write, which is shorter: so two are never leader at once, as long as clocks run equally fast.

use std::time::{Duration, Instant};

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a holder that does not renew.
    pub duration: Duration,
    /// How long a holder that cannot renew goes on as leader; shorter than `duration`.
    pub renew_deadline: Duration,
    /// The pause between two looks at the Lease.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody after a release.
    pub holder: Option<String>,
    /// Its version at the API server: another one means that somebody has written it.
    pub version: String,
    /// How long its holder asks others to wait.
    pub duration: Duration,
}

/// What is to be done with the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// Nobody holds it any more: write our name into it.
    Take,
    /// We hold it: say so again.
    Renew,
    /// Somebody else holds it.
    Wait,
}

/// One candidate's view of the election.
#[derive(Debug)]
pub struct Election {
    me: String,
    timing: Timing,
    seen: Option<(Record, Instant)>,
    leader_until: Option<Instant>,
    incumbent: bool,
}

/// What a candidate is, as others act on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Role {
    /// It may write to the cluster.
    pub leader: bool,
    /// It was the last leader that it knows of. So it is while nobody can write the Lease, and thus nobody else can
    /// become leader: what does not write goes on.
    pub incumbent: bool,
}

impl Election {
    /// A candidate; `me` is different for every process.
    #[must_use]
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, seen: None, leader_until: None, incumbent: false }
    }

    /// The candidate's name.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.me
    }

    /// The times that were agreed on.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Takes in what the Lease says now, and says what is to be done.
    pub fn observe(&mut self, record: Option<Record>, now: Instant) -> Step {
        let Some(record) = record else {
            self.seen = None;
            self.leader_until = None;
            return Step::Create;
        };
        let since = match &self.seen {
            Some((seen, since)) if seen.version == record.version => *since,
            _ => now,
        };
        let step = match record.holder.as_deref() {
            None | Some("") => Step::Take,
            Some(holder) if holder == self.me => Step::Renew,
            Some(_) if now.duration_since(since) >= record.duration => Step::Take,
            Some(_) => Step::Wait,
        };
        let other = |holder: &String| !holder.is_empty() && *holder != self.me;
        if record.holder.as_ref().is_some_and(other) {
            self.incumbent = false;
        }
        // Somebody else's name in the record ends our term at once, whatever our own deadline says.
        if step != Step::Renew {
            self.leader_until = None;
        }
        self.seen = Some((record, since));
        step
    }

    /// Our write was taken. `started` is the time before it was sent.
    pub fn written(&mut self, record: Record, started: Instant) {
        self.leader_until = Some(started + self.timing.renew_deadline);
        self.seen = Some((record, started));
        self.incumbent = true;
    }

    /// What the candidate is.
    #[must_use]
    pub fn role(&self, now: Instant) -> Role {
        Role { leader: self.is_leader(now), incumbent: self.incumbent }
    }

    /// Until when we are leader, if nothing else is heard.
    #[must_use]
    pub fn leader_until(&self) -> Option<Instant> {
        self.leader_until
    }

    /// Whether we are leader.
    #[must_use]
    pub fn is_leader(&self, now: Instant) -> bool {
        self.leader_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests;
