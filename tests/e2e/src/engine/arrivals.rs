//! Arrivals: a proxy that rewrites paths before the filter sees them is judged by what the upstream gets.

use anyhow::{Result, ensure};
use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::Flow;
use postern_policy_core::http::Request;
use postern_policy_core::path::{Profile, readings};
use postern_policy_core::port::Protocol;
use postern_tests_corpus::{Case, Observed, Scenario};
use postern_tests_harness::RawOutcome;
use postern_tests_harness::upstream::Seen;

use super::EnvoyEngine;

/// Checks that whatever reaches the upstream is allowed as the upstream sees it, and that what is written plainly and
/// allowed does reach it. Returns how many requests were sent, and how many arrived.
pub fn check_arrivals(engine: &mut EnvoyEngine, scenarios: &[Scenario]) -> Result<(usize, usize)> {
    let (mut sent, mut arrived, mut wrong) = (0, 0, Vec::new());
    for scenario in scenarios {
        for case in &scenario.cases {
            let (outcome, seen) = engine.send(scenario, case)?;
            sent += 1;
            arrived += seen.len();
            let title = format!("{} [{}]: {}", scenario.name, scenario.clause, case.name);
            for seen in &seen {
                if !is_allowed(scenario, case, seen) {
                    wrong.push(format!("{title}: the upstream got what policy denies: {seen:?}"));
                }
            }
            let came = matches!(outcome, RawOutcome::Response { status: 200, .. }) && seen.len() == 1;
            if case.expected == Observed::Allow && is_plain(case) && !came {
                wrong.push(format!("{title}: it did not arrive: {outcome:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {sent}:\n{}", wrong.len(), wrong.join("\n"));
    Ok((sent, arrived))
}

fn is_plain(case: &Case) -> bool {
    let path = case.path.as_deref().unwrap_or_default();
    path.starts_with(b"/") && readings(path, Profile::Strict).is_ok_and(|readings| readings.len() == 1)
}

fn is_allowed(scenario: &Scenario, case: &Case, seen: &Seen) -> bool {
    let request = Request {
        method: Some(seen.method.as_bytes()),
        path: Some(seen.path.as_bytes()),
        authority: seen.host.as_ref().map(String::as_bytes),
        headers: seen.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect(),
    };
    let peer = scenario.identities.table().identity(case.peer);
    let flow = Flow { peer, protocol: Protocol::Tcp, port: case.port };
    scenario.policy.direction(case.direction).request(&flow, &request).verdict == Verdict::Allow
}
