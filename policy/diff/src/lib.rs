//! The difference between two sets of policies: who gains what, and who loses what.
//!
//! Both sets are resolved against one inventory with one numbering of identities. Whoever is treated alike by both is
//! looked at once; ports are cut where any rule begins or ends; and of what then remains, HTTP requests, the
//! difference is found on the automata of the expressions, exactly. Each difference comes with a witness that the
//! core's own decision confirms, and where nothing is found there is nothing, within the inventory. What a budget
//! cuts short is [undecided](report::Undecided), never "no change".
#![forbid(unsafe_code)]

mod address;
mod allowed;
mod automata;
pub mod budget;
mod compare;
mod confirm;
mod ends;
mod pairs;
mod profile;
mod question;
mod region;
pub mod report;
mod said;
mod witness;

pub use compare::{DiffError, Side, diff};
