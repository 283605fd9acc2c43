//! Budgets: what a comparison may cost. One that runs out leaves its question undecided, and says so.

/// The most states that the search for one value (a path, a method, a host) may visit.
pub const STATES: usize = 50_000;
/// The most regions that the difference between two lists of HTTP rules may be cut into.
pub const REGIONS: usize = 20_000;
/// The most steps of automata that one such difference may take.
pub const STEPS: u64 = 5_000_000;
/// The most steps of automata that a whole comparison may take.
pub const STEPS_IN_ALL: u64 = 100_000_000;
/// The memory for the lazily built states of one expression, in bytes.
pub const EXPRESSION: usize = 16 << 20;
/// The most requests that are shown for one difference; that there are more is said.
pub const REQUESTS: usize = 16;

/// What is left, counted down.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    steps: u64,
    steps_in_all: u64,
    regions: usize,
}

/// Why a question stays open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Open {
    /// An automaton has too many states.
    #[error("an expression has too many states to be compared exactly")]
    Expression,
    /// The search for a value visited [`STATES`].
    #[error(
        "the values that the expressions have in common could not be gone through: more than {STATES} states"
    )]
    States,
    /// The difference took [`STEPS`].
    #[error("comparing the expressions took more than {STEPS} steps")]
    Steps,
    /// The comparison took [`STEPS_IN_ALL`].
    #[error("comparing all expressions took more than {STEPS_IN_ALL} steps")]
    StepsInAll,
    /// The difference fell into more than [`REGIONS`].
    #[error("the HTTP rules overlap in more than {REGIONS} ways")]
    Regions,
    /// All that was found are paths that servers read in several ways.
    #[error(
        "the rules differ, as far as was found only for paths that servers read in several ways, such as {0}"
    )]
    Ambiguous(String),
    /// What tells them apart is how paths are read, and no path was found that shows it.
    #[error("paths are read in another way; whether that matters is not known, for paths such as {0}")]
    Read(String),
    /// The core's decision does not confirm a difference.
    #[error("a difference was found that no decision confirms")]
    Unconfirmed,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { steps: STEPS, steps_in_all: STEPS_IN_ALL, regions: REGIONS }
    }

    /// Starts a new difference.
    pub(crate) fn renew(&mut self) {
        self.steps = STEPS;
        self.regions = REGIONS;
    }

    pub(crate) fn step(&mut self) -> Result<(), Open> {
        self.steps = self.steps.checked_sub(1).ok_or(Open::Steps)?;
        self.steps_in_all = self.steps_in_all.checked_sub(1).ok_or(Open::StepsInAll)?;
        Ok(())
    }

    pub(crate) fn region(&mut self) -> Result<(), Open> {
        self.regions = self.regions.checked_sub(1).ok_or(Open::Regions)?;
        Ok(())
    }
}
