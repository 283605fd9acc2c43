//! Regions: sets of requests of the form paths × methods × hosts × values of each header that a rule names.

use std::collections::{BTreeMap, BTreeSet};

use crate::allowed::Matched;
use crate::automata::{Automata, Language, PatternId};
use crate::budget::{Budget, Open};

/// A set of requests.
///
/// A path or host that no expression asks for may be absent too. So may a path that no server reads alike, which
/// the decision takes for an absent one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) path: Language,
    pub(crate) method: Language,
    pub(crate) host: Language,
    pub(crate) headers: BTreeMap<String, Values>,
}

/// The values that a header may have. Several different ones match what one does that no rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) absent: bool,
    pub(crate) present: Present,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Present {
    Only(BTreeSet<Vec<u8>>),
    AllBut(BTreeSet<Vec<u8>>),
}

impl Default for Values {
    fn default() -> Self {
        Self { absent: true, present: Present::AllBut(BTreeSet::new()) }
    }
}

impl Values {
    pub(crate) fn is_empty(&self) -> bool {
        !self.absent && self.present == Present::Only(BTreeSet::new())
    }

    fn narrow(&mut self, wanted: Option<&Vec<u8>>) {
        self.absent = false;
        let Some(wanted) = wanted else { return };
        let has = match &self.present {
            Present::Only(values) => values.contains(wanted),
            Present::AllBut(values) => !values.contains(wanted),
        };
        self.present = Present::Only(has.then(|| wanted.clone()).into_iter().collect());
    }

    /// The values that are in both.
    fn and(&self, other: &Self) -> Self {
        let present = match (&self.present, &other.present) {
            (Present::Only(one), Present::Only(two)) => Present::Only(one & two),
            (Present::AllBut(one), Present::AllBut(two)) => Present::AllBut(one | two),
            (Present::Only(one), Present::AllBut(two)) | (Present::AllBut(two), Present::Only(one)) => {
                Present::Only(one - two)
            }
        };
        Self { absent: self.absent && other.absent, present }
    }

    fn exclude(&mut self, unwanted: Option<&Vec<u8>>) {
        let Some(unwanted) = unwanted else {
            self.present = Present::Only(BTreeSet::new());
            return;
        };
        match &mut self.present {
            Present::Only(values) => {
                values.remove(unwanted);
            }
            Present::AllBut(values) => {
                values.insert(unwanted.clone());
            }
        }
    }

    /// Whether each of these is matched.
    fn all_match(&self, wanted: Option<&Vec<u8>>) -> bool {
        !self.absent
            && wanted.is_none_or(|wanted| match &self.present {
                Present::Only(values) => values.iter().all(|value| value == wanted),
                Present::AllBut(_) => false,
            })
    }
}

impl Region {
    /// What all of these match.
    pub(crate) fn of(rules: &[&Matched]) -> Self {
        let mut region = Self::default();
        for rule in rules {
            region.narrow(rule);
        }
        region
    }

    /// Every request with such a path.
    pub(crate) fn of_paths(path: PatternId) -> Self {
        Self::of(&[&Matched { path: Some(path), ..Matched::default() }])
    }

    /// What this has in common with another one that comes of [`of`](Self::of).
    pub(crate) fn within(&self, other: &Self) -> Self {
        let mut common = self.clone();
        common.path.all.extend(&other.path.all);
        common.method.all.extend(&other.method.all);
        common.host.all.extend(&other.host.all);
        for (name, values) in &other.headers {
            let own = common.headers.entry(name.clone()).or_default();
            *own = own.and(values);
        }
        common
    }

    fn narrow(&mut self, rule: &Matched) {
        self.path.all.extend(rule.path);
        self.method.all.extend(rule.method);
        self.host.all.extend(rule.host);
        for (name, value) in &rule.headers {
            self.headers.entry(name.clone()).or_default().narrow(value.as_ref());
        }
    }

    /// Whether a rule matches all of it, as can be seen without an automaton.
    pub(crate) fn is_within(&self, rule: &Matched) -> bool {
        let within =
            |language: &Language, id: Option<PatternId>| id.is_none_or(|id| language.all.contains(&id));
        within(&self.path, rule.path)
            && within(&self.method, rule.method)
            && within(&self.host, rule.host)
            && rule.headers.iter().all(|(name, value)| {
                self.headers.get(name).is_some_and(|values| values.all_match(value.as_ref()))
            })
    }

    /// Whether a rule matches nothing of it.
    pub(crate) fn is_apart(
        &self,
        rule: &Matched,
        automata: &mut Automata,
        budget: &mut Budget,
    ) -> Result<bool, Open> {
        let mut common = self.clone();
        common.narrow(rule);
        common.is_empty(automata, budget)
    }

    /// What a rule leaves of it, in pieces that have nothing in common.
    pub(crate) fn without(&self, rule: &Matched) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut common = self.clone();
        let mut piece = |common: &Self, cut: &dyn Fn(&mut Self)| {
            let mut piece = common.clone();
            cut(&mut piece);
            pieces.push(piece);
        };
        if let Some(id) = rule.path {
            piece(&common, &|piece| piece.path.none.extend([id]));
            common.path.all.insert(id);
        }
        if let Some(id) = rule.method {
            piece(&common, &|piece| piece.method.none.extend([id]));
            common.method.all.insert(id);
        }
        if let Some(id) = rule.host {
            piece(&common, &|piece| piece.host.none.extend([id]));
            common.host.all.insert(id);
        }
        for (name, value) in &rule.headers {
            piece(&common, &|piece| {
                piece.headers.entry(name.clone()).or_default().exclude(value.as_ref());
            });
            common.headers.entry(name.clone()).or_default().narrow(value.as_ref());
        }
        pieces
    }

    pub(crate) fn is_empty(&self, automata: &mut Automata, budget: &mut Budget) -> Result<bool, Open> {
        if self.headers.values().any(Values::is_empty) || automata.is_empty(&self.method, budget)? {
            return Ok(true);
        }
        for language in [&self.path, &self.host] {
            if !language.all.is_empty() && automata.is_empty(language, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
