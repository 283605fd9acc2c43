//! Searches: the first entry in order that a request matches, and what came near.

use super::entry::{Entry, Vocabulary};
use super::expressions::Expressions;
use super::hash::index;
use super::view::View;
use super::work::Work;
use crate::endpoint::DirectionPolicy;
use crate::http::{Field, HttpMatch, HttpMatcher, HttpRule, Request};

/// What one header of a request counts for where a candidate asks for headers.
const HEADER: usize = 8;

/// A request by one reading of its path.
#[derive(Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) path: Option<&'r [u8]>,
    /// The bit of its method.
    pub(super) method: u32,
    /// The bytes that a candidate looks at.
    pub(super) length: usize,
}

impl<'r> Asked<'r> {
    pub(super) fn new(request: &'r Request<'r>, path: Option<&'r [u8]>, vocabulary: &Vocabulary) -> Self {
        let length = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
        Self {
            request,
            path,
            method: vocabulary.method(request.method),
            length: length(path) + length(request.method) + length(request.authority),
        }
    }
}

/// The state of a search.
pub(super) struct Search<'s, 'p, 'r> {
    pub(super) asked: Asked<'r>,
    pub(super) policy: &'p DirectionPolicy,
    pub(super) view: &'s View,
    pub(super) entries: &'s [Entry],
    pub(super) vocabulary: &'s Vocabulary,
    pub(super) expressions: &'s Expressions,
    pub(super) work: &'s mut Work,
    /// The first entry that matches so far; from this one on, none is of interest.
    pub(super) best: u32,
    /// The entry that came nearest, the first of them, and the field that it failed at.
    pub(super) nearest: Option<(Field, u32)>,
    /// Whether entries were told apart by more than their paths: some that match it may not have been verified.
    pub(super) split: bool,
}

impl Search<'_, '_, '_> {
    /// Verifies an entry. Where it says no, later ones need not be looked at.
    pub(super) fn verify(&mut self, number: u32) -> bool {
        if number >= self.best {
            return false;
        }
        let Some(entry) = self.entries.get(index(number)) else { return false };
        if !self.view.has(entry.group) {
            return true;
        }
        if !self.work.candidate(self.cost(entry)) {
            return false;
        }
        match entry.check(self) {
            Ok(()) => {
                self.best = number;
                false
            }
            Err(field) => {
                self.missed(field, number);
                true
            }
        }
    }

    /// Looks for the nearest miss among these entries, which are in order, as well.
    pub(super) fn compare(&mut self, entries: &[u32]) {
        // Whoever's path matches was verified, so the others fail at the path or before it.
        if !self.split && !self.work.exceeded() {
            if self.nearest.is_none_or(|(field, _)| field <= Field::Path) {
                self.compare_methods(entries);
            }
            return;
        }
        for number in entries {
            let Some(entry) = self.entries.get(index(*number)) else { continue };
            if !self.work.comparison(self.cost(entry)) {
                return;
            }
            if let Err(field) = entry.check(self) {
                self.missed(field, *number);
            }
        }
    }

    fn compare_methods(&mut self, entries: &[u32]) {
        for number in entries {
            let Some(entry) = self.entries.get(index(*number)) else { continue };
            if entry.has_method(self) {
                return self.missed(Field::Path, *number);
            }
            self.missed(Field::Method, *number);
        }
    }

    fn cost(&self, entry: &Entry) -> usize {
        let headers = if entry.headers { self.asked.request.headers.len() * HEADER } else { 0 };
        self.asked.length + headers
    }

    /// The later the field, the nearer the miss.
    fn missed(&mut self, field: Field, number: u32) {
        let nearer = |(known, other): (Field, u32)| field > known || (field == known && number < other);
        if self.nearest.is_none_or(nearer) {
            self.nearest = Some((field, number));
        }
    }

    pub(super) fn expression(&mut self, expression: u32, value: &[u8]) -> bool {
        self.expressions.matches(expression, value, self.work)
    }
}

/// What an entry asks for.
pub(super) fn wanted<'p>(policy: &'p DirectionPolicy, entry: &Entry) -> Option<&'p HttpMatch> {
    match &rule(policy, entry)?.matcher {
        HttpMatcher::Active(wanted) => Some(wanted),
        HttpMatcher::Quarantined(_) => None,
    }
}

/// The rule of an entry.
pub(super) fn rule<'p>(policy: &'p DirectionPolicy, entry: &Entry) -> Option<&'p HttpRule> {
    policy.rules.get(index(entry.rule))?.http().get(index(entry.http))
}
