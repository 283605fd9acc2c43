//! Engines that show nothing but traffic: real proxies.

mod arrivals;
mod envoy;
mod proxy;

pub use arrivals::check_arrivals;
pub use envoy::{EnvoyEngine, Normalisation};
pub use proxy::ProxyEngine;

use anyhow::{Result, ensure};
use postern_tests_corpus::engine::Engine;
use postern_tests_corpus::{Observed, Scenario};

/// Checks that each case which an engine is excused from is one that it really answers in another way: an exclusion
/// that nothing needs any more is a case that nobody runs. Returns how many there are.
pub fn check_exclusions(engine: &mut dyn Engine, scenarios: &[Scenario]) -> Result<usize> {
    let mut excluded = 0;
    for scenario in scenarios {
        let excused = |case: &&_| postern_tests_corpus::Case::excluded_on(case, engine.name()).is_some();
        let cases: Vec<_> = scenario.cases.iter().filter(excused).collect();
        if cases.is_empty() {
            continue;
        }
        engine.load(scenario)?;
        for case in cases {
            let observed = engine.decide(scenario, case)?.observed;
            let name = format!("{}: {}", scenario.name, case.name);
            ensure!(!case.is_met_by(&observed), "{name}: {} can run it: drop the exclusion", engine.name());
            // An excuse is for an answer that the proxy gives on its own account, never for letting through too much.
            ensure!(observed != Observed::Allow, "{name}: {} lets it through", engine.name());
            excluded += 1;
        }
    }
    Ok(excluded)
}
