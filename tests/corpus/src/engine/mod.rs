//! Engines: everything that reaches a verdict.

mod native;
mod wasm;

use crate::case::{Case, Observed, Scenario};

pub use native::{BundleEngine, NativeEngine};
pub use wasm::WasmEngine;

/// What an engine says of a case.
#[derive(Debug)]
pub struct Decided {
    /// What came of it.
    pub observed: Observed,
    /// The reason's name, from engines that tell.
    pub reason: Option<String>,
    /// The deciding rule's name, from engines that tell.
    pub rule: Option<String>,
}

impl Decided {
    /// From an engine that shows nothing but traffic.
    pub fn traffic(observed: Observed) -> Self {
        Self { observed, reason: None, rule: None }
    }
}

/// Something that decides requests by policy.
pub trait Engine {
    /// The name by which a case excludes it.
    fn name(&self) -> &'static str;

    /// Makes a scenario's policies the ones in force.
    fn load(&mut self, scenario: &Scenario) -> anyhow::Result<()>;

    /// Decides a case of the scenario that was loaded last.
    fn decide(&mut self, scenario: &Scenario, case: &Case) -> anyhow::Result<Decided>;
}
