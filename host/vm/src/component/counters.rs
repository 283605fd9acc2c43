//! Counters of decisions and of rules, found or made when they are first needed.

use std::collections::HashMap;
use std::sync::Arc;

use postern_filter_report::{self as report, Subject};

use super::bindings::exports::postern::policy::decider::{Decision, Direction, Layer, Verdict};
use crate::metrics::{Metric, MetricKind, MetricsStore};

/// How many reasons a guest may name, in how many letters, and how many rules may have counters. It is not trusted to
/// name few.
const MAX_COUNTERS: usize = 128;
const MAX_CODE: usize = 32;
const MAX_RULES: usize = 1_000;

/// Counters of decisions.
#[derive(Default)]
pub(super) struct Counters {
    /// Searched from its start: a handful are in use.
    known: Vec<Counter>,
}

/// What a counter counts; without a metric where the store has no room.
struct Counter {
    subject: Subject,
    verdict: Verdict,
    layer: Layer,
    direction: Option<Direction>,
    code: String,
    /// Of what is only tried: whether what is enforced lets pass as much.
    differs: Option<bool>,
    metric: Option<Arc<Metric>>,
}

impl Counters {
    pub(super) fn count(
        &mut self,
        metrics: &MetricsStore,
        subject: Subject,
        decision: &Decision,
        differs: Option<bool>,
    ) {
        let direction = decision.side.as_ref().map(|side| side.direction);
        let (verdict, layer, code) = (decision.verdict, decision.layer, code(decision));
        let same = |known: &&Counter| {
            (known.subject, known.verdict, known.layer) == (subject, verdict, layer)
                && (known.direction, known.differs) == (direction, differs)
                && known.code == code
        };
        if let Some(known) = self.known.iter().find(same) {
            increment(known.metric.as_ref());
        } else if self.known.len() < MAX_COUNTERS {
            let name = report::Counter {
                subject,
                verdict: verdict_name(verdict),
                reason: code,
                layer: layer_name(layer),
                direction: direction.map(direction_name),
                differs,
            };
            let metric = metrics.define(MetricKind::Counter, &name.to_string());
            increment(metric.as_ref());
            let code = code.to_owned();
            self.known.push(Counter { subject, verdict, layer, direction, code, differs, metric });
        }
    }
}

/// Counters of the rules that a bundle names.
#[derive(Default)]
pub(super) struct RuleHits {
    rules: HashMap<Box<str>, Hits>,
}

enum Hits {
    None,
    Counted(Option<Arc<Metric>>),
}

impl RuleHits {
    pub(super) fn of(rules: &[String]) -> Self {
        let rules = rules.iter().take(MAX_RULES).map(|rule| (rule.as_str().into(), Hits::None));
        Self { rules: rules.collect() }
    }

    pub(super) fn count(&mut self, metrics: &MetricsStore, rule: &str) {
        let Some(hits) = self.rules.get_mut(rule) else { return };
        if matches!(hits, Hits::None) {
            let name = report::RuleHits(rule).to_string();
            *hits = Hits::Counted(metrics.define(MetricKind::Counter, &name));
        }
        if let Hits::Counted(metric) = hits {
            increment(metric.as_ref());
        }
    }
}

fn increment(metric: Option<&Arc<Metric>>) {
    if let Some(metric) = metric {
        metric.increment(1);
    }
}

/// The reason's name, as far as it is one.
pub(super) fn code(decision: &Decision) -> &str {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let code = decision.code.as_str();
    let is_one = !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(letter);
    if is_one { code } else { "other" }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::Redirect => "redirect",
    }
}

pub(super) fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::L3l4 => "L3L4",
        Layer::L7 => "L7",
    }
}

pub(super) fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}
