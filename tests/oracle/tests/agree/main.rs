//! The engine says what the reference says, of worlds, policies and traffic that nobody thought of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod aims;
mod case;
mod cilium;
mod engine;
mod features;
mod http;
mod items;
mod kubernetes;
mod labels;
mod names;
mod questions;
mod tiered;
mod worlds;

use std::collections::BTreeMap;
use std::sync::Mutex;

use postern_tests_oracle::evaluate::{Verdict, answer};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use case::{Case, case};
use engine::Engine;
use questions::Asked;

/// How many questions are asked of one world and its policies, at most; half as many are on average.
const QUESTIONS: usize = 24;
/// How many questions are asked in all, unless `POSTERN_ORACLE_CASES` says otherwise.
const CASES: usize = 12_000;

#[test]
fn the_engine_agrees_with_the_reference() {
    let wanted = std::env::var("POSTERN_ORACLE_CASES").map_or(CASES, |text| text.parse().unwrap());
    let worlds = u32::try_from(wanted.div_ceil(QUESTIONS / 2)).unwrap();
    let config = Config {
        cases: worlds,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_global_rejects: 0,
        ..Config::default()
    };
    let answers = Mutex::new(BTreeMap::<Verdict, usize>::new());
    let outcome = TestRunner::new(config).run(&case(QUESTIONS), |case| {
        check(&case, |verdict| *answers.lock().unwrap().entry(verdict).or_default() += 1)
    });
    let answers = answers.into_inner().unwrap();
    println!("answers: {answers:?}");
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // A run in which one answer hardly occurs would show nothing.
    let all: usize = answers.values().sum();
    assert!(all >= wanted, "only {all} questions were asked");
    for verdict in [Verdict::Allow, Verdict::Redirect, Verdict::Deny] {
        let share = answers.get(&verdict).copied().unwrap_or_default() * 100 / all;
        assert!(share >= 1, "only {share} % of the answers are {verdict:?}: {answers:?}");
    }
}

fn check(case: &Case, mut count: impl FnMut(Verdict)) -> Result<(), TestCaseError> {
    let engine = Engine::load(case).map_err(TestCaseError::fail)?;
    // What is asked of a request is asked of its connection too.
    let of_requests = case.questions.iter().filter(|asked| asked.question.request.is_some());
    for asked in case.questions.iter().cloned().chain(of_requests.map(Asked::connection)) {
        let expected = answer(&case.world, &case.policies, &asked.question);
        count(expected);
        for (way, found) in engine.answers(&asked) {
            if found != expected {
                let message = format!("{asked}\nthe reference: {expected:?}\nthe engine ({way}): {found:?}");
                return Err(TestCaseError::fail(message));
            }
        }
    }
    Ok(())
}
