//! What is known of each policy.

use crate::event::PolicyKey;

/// What is known of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatus {
    /// Its name.
    pub key: PolicyKey,
    /// Its uid.
    pub uid: String,
    /// The generation that this is about.
    pub generation: i64,
    /// Whether it could be read; if not, what is wrong, in one line.
    pub valid: Result<(), String>,
    /// What of it is in force.
    pub in_force: InForce,
    /// The rules of it that no data plane enforces, and why, in one line.
    pub quarantined: Option<String>,
    /// Whether it is only audited: it decides nothing.
    pub audited: bool,
    /// How many endpoints it selects.
    pub selected: usize,
    /// On how many of those their node has acknowledged their present policy.
    pub enforced: usize,
}

/// What of a policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InForce {
    /// The policy as it is.
    Current,
    /// The policy as it last could be read.
    LastGood,
    /// It was never read: the workloads it selects are closed in the directions it speaks of.
    Closed,
    /// It was never read, and whom it selects cannot be told.
    Nothing,
}

impl InForce {
    /// The sentence for the user.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Current => "it is in force",
            Self::LastGood => "its last good version stays in force",
            Self::Closed => {
                "until it is mended, the workloads it selects are closed in the directions it speaks of"
            }
            Self::Nothing => {
                "nothing of it is in force: whom it selects, or in which direction, cannot be told"
            }
        }
    }
}
