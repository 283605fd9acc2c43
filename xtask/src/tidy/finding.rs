//! What a check has found.

use std::fmt::{self, Display};

/// A problem: where it is, what it is, what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// The file relative to the root, with a line if there is one.
    pub(super) place: String,
    pub(super) problem: String,
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn new(
        place: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding { place: place.into(), problem: problem.into(), fix: fix.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.problem, self.fix)
    }
}
