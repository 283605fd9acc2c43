//! The lines of the log.

use std::fmt;
use std::net::IpAddr;

use crate::{Subject, Untold};

/// There is no policy, and that is no error.
pub const NO_POLICY: &str = "postern: no policy loaded yet: everything is denied";

/// No policy comes after one that was there.
pub const EMPTY_REFUSED: &str = "postern: empty configuration refused: the last good one stays in force";

/// A request of which nothing can be said but that it is none.
pub const UNREADABLE: &str = "postern: denied: the request's headers are malformed: expected one method, at most one path and one authority";

/// The end of a connection whose policy decided.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Seen from the workload whose policy it is.
    pub direction: &'a str,
    /// The other end's address.
    pub peer: IpAddr,
    /// Who that is.
    pub identity: u32,
}

/// What was decided, or would be.
#[derive(Debug, Clone, Copy)]
pub struct What<'a> {
    /// Whose policy decided; none where none was looked at.
    pub side: Option<Side<'a>>,
    /// Where.
    pub layer: &'a str,
    /// The reason's stable name.
    pub reason: &'a str,
    /// The reason in words.
    pub words: &'a str,
}

/// The one line that a denial leaves.
#[derive(Debug, Clone, Copy)]
pub struct Denied<'a> {
    /// What is denied.
    pub subject: Subject,
    /// What the client may quote.
    pub id: &'a str,
    /// Whether it would pass if what is tried were enforced.
    pub tried_passes: bool,
    /// Why.
    pub what: What<'a>,
    /// What was left out before.
    pub untold: Untold,
}

/// The line for what passes, and would not if what is tried were enforced.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// What passes.
    pub subject: Subject,
    /// Why it would not.
    pub what: What<'a>,
    /// What was left out before.
    pub untold: Untold,
}

/// A bundle that was not taken.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// What is wrong with it.
    pub why: &'a str,
    /// Whether an earlier one is in force.
    pub kept: bool,
}

/// A rule that could not be compiled.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined<'a> {
    /// Its name.
    pub rule: &'a str,
    /// Why.
    pub why: &'a str,
}

/// One of the two parts of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// What the bundle calls it.
    pub version: &'a str,
    /// Whether it is that of an earlier bundle.
    pub kept: bool,
}

/// A bundle that gives versions is in force.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// Who is who.
    pub identities: Part<'a>,
    /// Who may do what.
    pub policy: Part<'a>,
    /// How long it took to read, in nanoseconds.
    pub took: u64,
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, id, tried_passes, what, untold } = self;
        let audit = if *tried_passes { "audit=allow " } else { "" };
        write!(f, "postern: denied {subject} {}decision={id} {audit}{}{untold}", Ends(what.side), Why(what))
    }
}

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, what, untold } = self;
        let (ends, why) = (Ends(what.side), Why(what));
        write!(f, "postern: audit: {subject} passes and would be denied: {ends}{why}{untold}")
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = match self.kept {
            true => "the last good one stays in force",
            false => "everything is denied until a good one comes",
        };
        write!(f, "postern: configuration refused: {}; {left}", self.why)
    }
}

impl fmt::Display for Quarantined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postern: rule {} is quarantined: {}", self.rule, self.why)
    }
}

impl fmt::Display for InForce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identities, policy, took } = self;
        write!(f, "postern: in force: identities {identities}, policy {policy}, read in {} µs", took / 1000)
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.version, if self.kept { " (kept)" } else { "" })
    }
}

struct Ends<'a>(Option<Side<'a>>);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Side { direction, peer, identity }) = self.0 else { return Ok(()) };
        write!(f, "direction={direction} peer={peer} identity={identity} ")
    }
}

struct Why<'a>(&'a What<'a>);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let What { layer, reason, words, side: _ } = self.0;
        write!(f, "layer={layer} reason={reason}: {words}")
    }
}
