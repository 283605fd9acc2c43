//! Automata: what an expression is compiled to when it is first asked.

use super::dfa::Dfa;
use super::glob::Glob;
use super::lazy::Lazy;
use super::positions::Positions;
use super::{compile, parse_checked};

/// A compiled expression, the cheapest that it can have. None of them takes longer than linear in the value.
pub(crate) enum Automaton {
    /// None: texts with anything between them.
    Glob(Glob),
    /// A small table.
    Table(Dfa),
    /// A few places at once, where a table would be large.
    Places(Box<Positions>),
    /// The library's, for what is long or looks around itself.
    Compiled(Box<Lazy>),
}

impl Automaton {
    /// `None` where it cannot be compiled.
    pub(crate) fn compile(source: &str) -> Option<Self> {
        if let Some(glob) = Glob::of_texts(source) {
            return Some(Self::Glob(glob));
        }
        let hir = parse_checked(source).ok()?;
        if let Some(glob) = Glob::of(&hir) {
            return Some(Self::Glob(glob));
        }
        let Some(positions) = Positions::of(&hir) else {
            return Some(Self::Compiled(compile(hir).ok()?));
        };
        Some(Dfa::of(&positions).map_or_else(|| Self::Places(Box::new(positions)), Self::Table))
    }

    /// Whether the whole of `value` matches.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(value),
            Self::Table(dfa) => dfa.matches(value),
            Self::Places(positions) => positions.matches(value),
            Self::Compiled(lazy) => lazy.matches(value),
        }
    }

    /// The bytes that it takes, about.
    pub(crate) fn memory(&self) -> usize {
        let behind = match self {
            Self::Glob(glob) => glob.memory(),
            Self::Table(dfa) => dfa.memory(),
            Self::Places(positions) => positions.memory(),
            Self::Compiled(lazy) => lazy.memory(),
        };
        size_of::<Self>() + behind
    }
}
