//! Running the corpus on an engine.

use std::fmt;

use crate::case::Scenario;
use crate::engine::Engine;

/// What did not come out as it must.
#[derive(Debug)]
pub struct Failures {
    engine: String,
    ran: usize,
    lines: Vec<String>,
}

/// Runs every case that the engine can run. Returns how many ran and how many are excluded by name.
pub fn run(engine: &mut dyn Engine, scenarios: &[Scenario]) -> Result<(usize, usize), Failures> {
    let (mut ran, mut excluded, mut lines) = (0, 0, Vec::new());
    for scenario in scenarios {
        if let Err(error) = engine.load(scenario) {
            lines.push(format!("{}: cannot be loaded: {error:#}", scenario.name));
            continue;
        }
        for case in &scenario.cases {
            if case.excluded_on(engine.name()).is_some() {
                excluded += 1;
                continue;
            }
            ran += 1;
            let title = format!("{} [{}]: {}", scenario.name, scenario.clause, case.name);
            match engine.decide(scenario, case) {
                Err(error) => lines.push(format!("{title}: {error:#}")),
                Ok(decided) => {
                    let wrong = |what: &str, got: &str, wanted: &str| {
                        format!("{title}: {what} is {got}, not {wanted}")
                    };
                    if !case.is_met_by(&decided.observed) {
                        let got = decided.observed.to_string();
                        lines.push(wrong("the outcome", &got, &case.expected.to_string()));
                    }
                    // Engines that only show traffic tell neither reason nor rule.
                    if let (Some(wanted), Some(got)) = (&case.reason, &decided.reason)
                        && wanted != got
                    {
                        lines.push(wrong("the reason", got, wanted));
                    }
                    if let (Some(wanted), Some(got)) = (&case.rule, &decided.rule)
                        && wanted != got
                    {
                        lines.push(wrong("the rule", got, wanted));
                    }
                }
            }
        }
    }
    if lines.is_empty() && ran > 0 {
        Ok((ran, excluded))
    } else {
        Err(Failures { engine: engine.name().to_owned(), ran, lines })
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "engine {}: {} of {} cases are wrong:", self.engine, self.lines.len(), self.ran)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
