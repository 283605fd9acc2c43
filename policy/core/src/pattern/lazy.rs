//! The library's automaton, for expressions that ours are too small for.

use std::sync::{Mutex, PoisonError};

use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use super::{PatternError, SIZE_LIMIT};

/// The memory that matching one expression may use for its lazily built states.
const CACHE_LIMIT: usize = 64 * 1024;

/// An automaton whose states are made as values need them, and forgotten when there are too many.
pub(crate) struct Lazy {
    dfa: DFA,
    /// What was made so far; a thread that finds it in use makes its own.
    cache: Mutex<Option<Cache>>,
}

impl Lazy {
    /// Compiles an expression that is anchored at both ends.
    pub(super) fn compile(whole: &Hir) -> Result<Self, PatternError> {
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_LIMIT)))
            .syntax(syntax::Config::new().utf8(false).unicode(false))
            .build_from_hir(whole)
            .map_err(|_| PatternError::TooLarge)?;
        // It never gives up, and has room for a few states however large they are.
        let config = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(CACHE_LIMIT)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| PatternError::TooLarge)?;
        Ok(Self { dfa, cache: Mutex::new(None) })
    }

    /// Whether `value` matches.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = lock().take().unwrap_or_else(|| self.dfa.create_cache());
        let input = Input::new(value).anchored(Anchored::Yes).earliest(true);
        // An error would be a search that was given up, which none is: it allows nothing.
        let found = self.dfa.try_search_fwd(&mut cache, &input);
        *lock() = Some(cache);
        matches!(found, Ok(Some(_)))
    }

    /// The bytes that it takes, about.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.dfa.memory_usage() + CACHE_LIMIT
    }
}
