//! Metrics: how many connections and requests passed or did not, and why; how often a rule decided.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use postern_filter_report::{self as report, Subject};
use postern_policy_core::decide::{Decision, Layer, Verdict};
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::set::{Judged, PolicySet};
use proxy_wasm::types::MetricType;

use crate::host;

/// What a counter counts, each of a closed set.
#[derive(Clone, Copy)]
struct Key {
    subject: Subject,
    verdict: Verdict,
    reason: &'static str,
    layer: Layer,
    direction: Option<Direction>,
    /// Of what is only tried: whether what is enforced lets pass as much.
    differs: Option<bool>,
}

impl Key {
    /// Whether both are of one counter. A reason's code is one text in all of the module: where it lies is compared, not
    /// what it says. Were it there twice, the host would give both the same number.
    fn is(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.verdict == other.verdict
            && self.layer == other.layer
            && self.direction == other.direction
            && self.differs == other.differs
            && std::ptr::eq(self.reason, other.reason)
    }

    fn name(&self) -> String {
        let &Self { subject, verdict, reason, layer, direction, differs } = self;
        let (verdict, layer) = (verdict.to_string(), layer.to_string());
        let direction = direction.map(|direction| direction.to_string());
        report::Counter {
            subject,
            verdict: &verdict,
            reason,
            layer: &layer,
            direction: direction.as_deref(),
            differs,
        }
        .to_string()
    }
}

/// A counter, defined when it is first needed; `None` where the host did not want it: it still enforces.
#[derive(Clone, Copy)]
enum Counter {
    Undefined,
    Defined(Option<u32>),
}

/// Counters of decisions. There are few, so that they are found by looking at each.
#[derive(Default)]
pub(crate) struct Metrics {
    counters: RefCell<Vec<(Key, Option<u32>)>>,
}

impl Metrics {
    /// Counts what was decided, and what would be.
    pub(crate) fn decided(&self, subject: Subject, judged: &Judged<'_>) {
        let Judged { side, decision, audit } = judged;
        let direction = side.map(|side| side.direction);
        let key = |decision: &Decision<'_>, differs| Key {
            subject,
            verdict: decision.verdict,
            reason: decision.reason.code(),
            layer: decision.layer,
            direction,
            differs,
        };
        self.count(key(decision, None));
        if let Some(tried) = audit {
            let differs = (tried.verdict == Verdict::Deny) != (decision.verdict == Verdict::Deny);
            self.count(key(tried, Some(differs)));
        }
    }

    fn count(&self, key: Key) {
        let mut counters = self.counters.borrow_mut();
        let id = match counters.iter().find(|(known, _)| known.is(&key)) {
            Some((_, id)) => *id,
            None => {
                let id = host::metric(MetricType::Counter, &key.name()).ok();
                counters.push((key, id));
                id
            }
        };
        if let Some(id) = id {
            host::increment(id);
        }
    }

    pub(crate) fn quarantined(&self, rules: usize) {
        if let Ok(id) = host::metric(MetricType::Gauge, report::QUARANTINED) {
            host::record(id, u64::try_from(rules).unwrap_or(u64::MAX));
        }
    }
}

/// Counts one line that a limit kept out of the log.
pub(crate) fn not_logged(counter: &'static str) {
    // Defining it again finds it: rare enough not to keep the number.
    if let Ok(id) = host::metric(MetricType::Counter, counter) {
        host::increment(id);
    }
}

/// How often a rule decided, for the first rules of a bundle.
#[derive(Default)]
pub(crate) struct RuleHits {
    counters: Vec<(RuleId, Cell<Counter>)>,
    /// Where the text of a name is in memory, sorted, and the place of its counter: a decision speaks of the very
    /// names of the set that it was made by, and comparing addresses is cheaper than hashing names.
    places: Vec<(usize, usize)>,
}

impl RuleHits {
    /// Counters for the first `most` names of a set, which must live as long as they are used.
    pub(crate) fn of(set: &PolicySet, most: usize) -> Self {
        let mut hits = Self::default();
        let mut known: HashMap<&RuleId, usize> = HashMap::new();
        for id in set.rule_names() {
            let next = hits.counters.len();
            let place = match known.entry(id) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(_) if next == most => continue,
                Entry::Vacant(place) => {
                    hits.counters.push((id.clone(), Cell::new(Counter::Undefined)));
                    *place.insert(next)
                }
            };
            hits.places.push((address(id), place));
        }
        hits.places.sort_unstable();
        hits.places.dedup();
        hits
    }

    pub(crate) fn count(&self, rule: &RuleId) {
        let Ok(found) = self.places.binary_search_by_key(&address(rule), |(address, _)| *address) else {
            return;
        };
        let counter = self.places.get(found).and_then(|(_, place)| self.counters.get(*place));
        let Some((rule, counter)) = counter else { return };
        let id = match counter.get() {
            Counter::Defined(id) => id,
            Counter::Undefined => {
                let name = report::RuleHits(rule.as_str()).to_string();
                let id = host::metric(MetricType::Counter, &name).ok();
                counter.set(Counter::Defined(id));
                id
            }
        };
        if let Some(id) = id {
            host::increment(id);
        }
    }
}

fn address(rule: &RuleId) -> usize {
    rule.as_str().as_ptr().addr()
}
