//! Expressions: compiled when they are first needed, each once for a whole policy set.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::hash::{index, number};
use super::work::Work;
use crate::pattern::Automaton;

/// The most bytes that compiled expressions take together. What comes later is compiled for each request anew,
/// which counts towards what a request may cost.
const BUDGET: usize = 6 << 20;

/// The expressions of a policy set. Rules that end alike share one.
#[derive(Default)]
pub(crate) struct Expressions {
    list: Vec<Expression>,
    used: AtomicUsize,
}

struct Expression {
    source: Box<str>,
    /// `None` inside where it cannot be compiled: it matches nothing then.
    automaton: OnceLock<Option<Box<Automaton>>>,
}

/// Collects expressions while matchers are built.
#[derive(Default)]
pub(crate) struct Collector {
    expressions: Expressions,
    numbers: HashMap<Box<str>, u32>,
    /// What was asked for last: rules that end alike stand together.
    last: u32,
}

impl Collector {
    /// The number of an expression that [`Pattern::parse`](crate::pattern::Pattern::parse) has checked.
    pub(super) fn add(&mut self, source: &str) -> u32 {
        if self.expressions.list.get(index(self.last)).is_some_and(|last| *last.source == *source) {
            return self.last;
        }
        if let Some(known) = self.numbers.get(source) {
            self.last = *known;
            return *known;
        }
        let new = number(self.expressions.list.len());
        self.numbers.insert(source.into(), new);
        self.expressions.list.push(Expression { source: source.into(), automaton: OnceLock::new() });
        self.last = new;
        new
    }

    /// All of them.
    pub(crate) fn finish(self) -> Expressions {
        self.expressions
    }
}

impl Expressions {
    /// Whether the whole of a value matches.
    pub(super) fn matches(&self, expression: u32, value: &[u8], work: &mut Work) -> bool {
        let Some(expression) = self.list.get(index(expression)) else { return false };
        if let Some(automaton) = expression.automaton.get() {
            return automaton.as_ref().is_some_and(|automaton| automaton.matches(value));
        }
        let compiled = Automaton::compile(&expression.source).map(Box::new);
        let matches = compiled.as_ref().is_some_and(|automaton| automaton.matches(value));
        let size = compiled.as_ref().map_or(0, |automaton| automaton.memory());
        let room = |used: usize| used.checked_add(size).filter(|used| *used <= BUDGET);
        match self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            // Another thread may have been first: its automaton is the same.
            Ok(_) => drop(expression.automaton.set(compiled)),
            Err(_) => work.compiled(),
        }
        matches
    }

    /// The bytes that they take, about.
    pub(crate) fn memory(&self) -> usize {
        let sources: usize = self.list.iter().map(|it| it.source.len() + size_of::<Expression>()).sum();
        sources + self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Without the text that they begin with, as rules have them.
    #[test]
    fn so_many_expressions_of_the_usual_kinds_are_kept() {
        for (source, least) in [
            ("[0-9]+/users/[^/]+/orders", 12_000),
            ("[0-9]+/items/[a-z-]+/[^/]+/details", 10_000),
            ("[0-9]+/items/[a-z0-9-]+/details", 10_000),
            ("[0-9]+/items/.*", 13_000),
            ("(v1|v2)/[^/]+/[a-z-]+/.*/details", 10_000),
            ("[0-9]+/[a-z]+/[^/]+/[^/]+/[a-z]+", 14_000),
            (".*/svc000007-[a-z]+/.*/details", 9_000),
            (r".*\.tenant000007\.example\.com", 40_000),
        ] {
            let size = Automaton::compile(source).unwrap().memory();
            println!("{source}: {size} bytes, {} fit", BUDGET / size);
            assert!(BUDGET / size >= least, "{source}: {size} bytes, {} fit", BUDGET / size);
        }
    }
}
