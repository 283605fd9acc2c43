//! What is said of a decision: the names of counters, the lines of the log, how many there may be, and the id by which
//! a denial is called.
//!
//! One implementation for every door: the proxy-wasm module says these things by host calls, the host of a component
//! says them itself. Nothing here knows a policy or a host. What was decided comes as names, and so does the time.
#![forbid(unsafe_code)]

mod counters;
mod decisions;
mod limit;
mod lines;
mod subject;

pub use counters::{AUDITS_NOT_LOGGED, Counter, DENIALS_NOT_LOGGED, QUARANTINED, RuleHits};
pub use decisions::{DECISION_HEADER, Decisions};
pub use limit::{Limit, Untold};
pub use lines::{
    Denied, EMPTY_REFUSED, InForce, NO_POLICY, Part, Quarantined, Refused, Side, Tried, UNREADABLE, What,
};
pub use subject::Subject;
