//! Tests of policies: cases held against what the policies do, and which rules no case decides.
//!
//! A [`Runner`](run::Runner) has the policies and the world of a test and answers its cases by the very code
//! that explains and enforces. A [`Coverage`](coverage::Coverage) gathers which rules decided them. A
//! [`Report`](report::Report) is both, as JUnit, TAP or JSON.
//!
//! Files and clocks are the caller's: this crate gets what was read and how long it took.
#![forbid(unsafe_code)]

pub mod coverage;
pub mod glob;
pub mod report;
pub mod run;
