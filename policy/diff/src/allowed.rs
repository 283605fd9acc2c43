//! What one side lets pass of one class of connections, as a value that is equal where it means the same
//! letter by letter.

use std::collections::{BTreeMap, BTreeSet};

use postern_policy_core::allowance::Allowance;
use postern_policy_core::http::{HttpMatch, HttpMatcher};

use crate::automata::{Automata, PatternId};

/// An interned allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AllowedId(usize);

impl AllowedId {
    pub(crate) const NOTHING: Self = Self(0);
    pub(crate) const EVERYTHING: Self = Self(1);
}

/// What passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allowed {
    Nothing,
    /// HTTP or not.
    Everything,
    /// The requests that any of these matches.
    Requests(BTreeSet<Matched>),
}

/// What one HTTP rule matches: expressions by number, and header names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Matched {
    pub(crate) path: Option<PatternId>,
    pub(crate) method: Option<PatternId>,
    pub(crate) host: Option<PatternId>,
    pub(crate) headers: BTreeSet<(String, Option<Vec<u8>>)>,
}

/// Every allowance once.
#[derive(Debug)]
pub(crate) struct Allowances {
    list: Vec<Allowed>,
    numbers: BTreeMap<Allowed, AllowedId>,
}

impl Default for Allowances {
    fn default() -> Self {
        let list = vec![Allowed::Nothing, Allowed::Everything];
        let numbers = list.iter().cloned().zip((0..).map(AllowedId)).collect();
        Self { list, numbers }
    }
}

impl Allowances {
    pub(crate) fn number(&mut self, allowance: &Allowance<'_>, automata: &mut Automata) -> AllowedId {
        let allowed = match allowance {
            Allowance::Nothing => return AllowedId::NOTHING,
            Allowance::Everything => return AllowedId::EVERYTHING,
            Allowance::Requests(rules) => {
                let active = rules.iter().filter_map(|rule| match &rule.matcher {
                    HttpMatcher::Active(wanted) => Some(Matched::new(wanted, automata)),
                    HttpMatcher::Quarantined(_) => None,
                });
                Allowed::Requests(active.collect())
            }
        };
        if let Some(id) = self.numbers.get(&allowed) {
            return *id;
        }
        let id = AllowedId(self.list.len());
        self.list.push(allowed.clone());
        self.numbers.insert(allowed, id);
        id
    }

    pub(crate) fn get(&self, id: AllowedId) -> &Allowed {
        self.list.get(id.0).unwrap_or(&Allowed::Nothing)
    }
}

impl Matched {
    fn new(wanted: &HttpMatch, automata: &mut Automata) -> Self {
        let mut number = |pattern: &Option<_>| pattern.as_ref().map(|pattern| automata.number(pattern));
        Self {
            path: number(&wanted.path),
            method: number(&wanted.method),
            host: number(&wanted.host),
            headers: wanted
                .headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase(), header.value.clone()))
                .collect(),
        }
    }
}
