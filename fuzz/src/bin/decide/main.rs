//! Whatever the world, the policies and the traffic are: what was compiled decides as the reference interpreter does,
//! which shares no code with it.

mod case;
mod cilium;
mod engine;
mod http;
mod kubernetes;
mod labels;
mod names;
mod reader;
mod tiered;
mod valid;
mod worlds;

use std::process::ExitCode;

use postern_tests_oracle::evaluate::{Question, answer};
use postern_tests_oracle::policy::Policy;

use case::Case;
use engine::Engine;

fn main() -> ExitCode {
    postern_fuzz::run(|bytes| {
        let case = Case::read(bytes);
        if let Ok(engine) = Engine::load(&case) {
            compare(&case, &engine);
        }
    })
}

fn compare(case: &Case, engine: &Engine) {
    let tried: Vec<Policy> = case.policies.iter().cloned().map(enforced).collect();
    // What is asked of a request is asked of its connection too.
    let connections = case.questions.iter().filter(|question| question.request.is_some());
    let connections = connections.map(|question| Question { request: None, ..question.clone() });
    for question in case.questions.iter().cloned().chain(connections) {
        let expected = answer(&case.world, &case.policies, &question);
        let audited = answer(&case.world, &tried, &question);
        for found in engine.answers(&question) {
            let expected = if found.tried { audited } else { expected };
            assert!(
                found.verdict == expected,
                "{question:?}\nthe reference: {expected:?}\nthe engine ({}): {:?}\n{case}",
                found.way,
                found.verdict
            );
        }
    }
}

/// The same policy, enforced if it was only audited.
fn enforced(mut policy: Policy) -> Policy {
    match &mut policy {
        Policy::Cilium(policy) => policy.audit = false,
        Policy::Kubernetes(policy) => policy.audit = false,
        Policy::Tiered(policy) => policy.audit = false,
    }
    policy
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// A seed that is refused, or whose answers are all alike, would search nothing.
    #[test]
    fn every_seed_asks_something() {
        let mut verdicts = BTreeSet::new();
        for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/decide")).unwrap() {
            let path = file.unwrap().path();
            let case = Case::read(&fs::read(&path).unwrap());
            let engine =
                Engine::load(&case).unwrap_or_else(|why| panic!("{}: {why}\n{case}", path.display()));
            compare(&case, &engine);
            let answers = case.questions.iter().map(|asked| answer(&case.world, &case.policies, asked));
            let answers: BTreeSet<_> = answers.collect();
            assert!(answers.len() > 1, "{}: {answers:?}\n{case}", path.display());
            let connections = case.questions.iter().map(|asked| Question { request: None, ..asked.clone() });
            verdicts.extend(connections.map(|asked| answer(&case.world, &case.policies, &asked)));
        }
        assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    }
}
