//! The corpus: what every engine must decide, as data.
//!
//! A file of `cases/` has an inventory and scenarios; a scenario has policies and cases; a case is a request and
//! what must come of it. Every [`Engine`](engine::Engine) runs every case, or the case says why it cannot.
//! To add a case, add a row to a file; to add an engine, implement the trait and call [`run`].

mod case;
pub mod engine;
mod escape;
mod expand;
mod load;
mod run;

pub use case::{Case, Observed, Scenario};
pub use load::load;
pub use run::{Failures, run};
