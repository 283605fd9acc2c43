//! What one side lets pass of one class of connections, as a value that is equal where it means the same
//! letter by letter.

use std::collections::{BTreeMap, BTreeSet};

use postern_policy_core::allowance::Allowance;
use postern_policy_core::decide::{Reason, Verdict};
use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow};
use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::path;

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

/// How the requests of connections are read that are not let through as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    /// How their paths are.
    pub(crate) profile: path::Profile,
    /// The rules that there are where all requests pass that none of them matches, for want of a default deny.
    pub(crate) beside: Option<BTreeSet<Matched>>,
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
    list: Vec<(Allowed, Option<Read>)>,
    numbers: BTreeMap<(Allowed, Option<Read>), AllowedId>,
}

impl Default for Allowances {
    fn default() -> Self {
        let list = vec![(Allowed::Nothing, None), (Allowed::Everything, None)];
        let numbers = list.iter().cloned().zip((0..).map(AllowedId)).collect();
        Self { list, numbers }
    }
}

impl Allowances {
    pub(crate) fn number(
        &mut self,
        policy: &DirectionPolicy,
        flow: &Flow,
        automata: &mut Automata,
    ) -> AllowedId {
        let allowed = match policy.allowance(flow) {
            Allowance::Nothing => Allowed::Nothing,
            Allowance::Everything => Allowed::Everything,
            Allowance::Requests(rules) => Allowed::Requests(active(rules.into_iter(), automata)),
        };
        let is_read = policy.connection(flow).verdict == Verdict::Redirect;
        let known = (allowed, is_read.then(|| read(policy, flow, automata)));
        if let Some(id) = self.numbers.get(&known) {
            return *id;
        }
        let id = AllowedId(self.list.len());
        self.list.push(known.clone());
        self.numbers.insert(known, id);
        id
    }

    pub(crate) fn get(&self, id: AllowedId) -> &Allowed {
        self.list.get(id.0).map_or(&Allowed::Nothing, |(allowed, _)| allowed)
    }

    /// How requests are read; not at all where connections pass as they are, or do not.
    pub(crate) fn read(&self, id: AllowedId) -> Option<&Read> {
        self.list.get(id.0).and_then(|(_, read)| read.as_ref())
    }
}

fn active<'p>(rules: impl Iterator<Item = &'p HttpRule>, automata: &mut Automata) -> BTreeSet<Matched> {
    let active = rules.filter_map(|rule| match &rule.matcher {
        HttpMatcher::Active(wanted) => Some(Matched::new(wanted, automata)),
        HttpMatcher::Quarantined(_) => None,
    });
    active.collect()
}

fn read(policy: &DirectionPolicy, flow: &Flow, automata: &mut Automata) -> Read {
    let profile = policy.profile(flow.protocol, flow.port);
    // What no rule matches is what has nothing at all.
    let without = policy.request(flow, &Request::default());
    let beside = (without.reason == Reason::NotEnforced).then(|| {
        let http =
            policy.rules.iter().filter(|rule| rule.covers(flow)).filter_map(|rule| match &rule.action {
                Action::Http(http) => Some(http.iter()),
                _ => None,
            });
        active(http.flatten(), automata)
    });
    Read { profile, beside }
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
