//! What is said of decisions: a counter for each kind, a line for a denial.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use tracing::Level;

use super::bindings::exports::postern::policy::decider::{
    Address, Decision, Direction, Judgement, Layer, Report, Side, Verdict,
};
use super::lines::Lines;
use crate::imports::line;
use crate::metrics::{Metric, MetricKind, MetricsStore};
use crate::module::Plugin;

/// Before a bundle says how many.
const DENIALS_PER_SECOND: u16 = 10;

/// What was decided on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Connection,
    Request,
}

/// Counts and logs for one instance.
pub(super) struct Reporter {
    plugin: Arc<Plugin>,
    metrics: Arc<MetricsStore>,
    /// Searched from its start: a handful are in use.
    counters: Vec<Counter>,
    lines: Lines,
}

/// What a counter counts.
#[derive(PartialEq, Eq)]
struct Key<'a> {
    subject: Subject,
    verdict: Verdict,
    layer: Layer,
    direction: Option<Direction>,
    code: &'a str,
    /// Of what is only tried: whether what is enforced lets pass as much.
    differs: Option<bool>,
}

/// A counter, found or made when it is first needed; without a metric where the store has no room.
struct Counter {
    subject: Subject,
    verdict: Verdict,
    layer: Layer,
    direction: Option<Direction>,
    code: String,
    differs: Option<bool>,
    metric: Option<Arc<Metric>>,
}

/// How many reasons a guest may name, and in how many letters. It is not trusted to name few.
const MAX_COUNTERS: usize = 128;
const MAX_CODE: usize = 32;

impl Reporter {
    pub(super) fn new(plugin: Arc<Plugin>, metrics: Arc<MetricsStore>) -> Self {
        Self { plugin, metrics, counters: Vec::new(), lines: Lines::new(DENIALS_PER_SECOND) }
    }

    /// A bundle was accepted.
    pub(super) fn configured(&mut self, report: &Report) {
        if let Some(gauge) = self.metrics.define(MetricKind::Gauge, "postern_rules_quarantined") {
            gauge.record(u64::try_from(report.quarantined.len()).unwrap_or(u64::MAX));
        }
        for rule in &report.quarantined {
            self.log(
                Level::WARN,
                &format!("postern: rule {} is quarantined: {}", rule.rule, rule.explanation),
            );
        }
        if report.reporting.decision_header {
            self.log(
                Level::WARN,
                "postern: report.decisionHeader has no effect on a component: answers carry no decision id",
            );
        }
        self.lines = Lines::new(report.reporting.denials_per_second);
    }

    /// A decision was taken.
    pub(super) fn decided(&mut self, subject: Subject, judgement: &Judgement) {
        let Judgement { enforced, audit } = judgement;
        self.count(subject, enforced, None);
        if let Some(tried) = audit {
            let differs = (tried.verdict == Verdict::Deny) != (enforced.verdict == Verdict::Deny);
            self.count(subject, tried, Some(differs));
        }
        if enforced.verdict == Verdict::Deny {
            if self.lines.take(Instant::now()) {
                self.log(Level::INFO, &Denial(subject, enforced).to_string());
            } else if let Some(counter) =
                self.metrics.define(MetricKind::Counter, "postern_denials_not_logged_total")
            {
                counter.increment(1);
            }
        }
    }

    /// A request could not be put as a question.
    pub(super) fn unreadable(&mut self) {
        if self.lines.take(Instant::now()) {
            self.log(
                Level::ERROR,
                "postern: denied: the request has no method, or two methods, paths or authorities",
            );
        }
    }

    fn count(&mut self, subject: Subject, decision: &Decision, differs: Option<bool>) {
        let key = Key {
            subject,
            verdict: decision.verdict,
            layer: decision.layer,
            direction: decision.side.as_ref().map(|side| side.direction),
            code: if is_code(&decision.code) { &decision.code } else { "other" },
            differs,
        };
        let metric = match self.counters.iter().find(|counter| counter.key() == key) {
            Some(counter) => counter.metric.as_ref(),
            None if self.counters.len() >= MAX_COUNTERS => return,
            None => {
                let metric = self.metrics.define(MetricKind::Counter, &key.name());
                self.counters.push(Counter::new(&key, metric));
                self.counters.last().and_then(|counter| counter.metric.as_ref())
            }
        };
        if let Some(metric) = metric {
            metric.increment(1);
        }
    }

    fn log(&self, level: Level, text: &str) {
        line(&self.plugin.name, level, text.as_bytes());
    }
}

impl Key<'_> {
    /// With its labels, written as the proxy-wasm module writes them.
    fn name(&self) -> String {
        let Self { subject, verdict, layer, direction, code, differs } = self;
        let audited = if differs.is_some() { "_audited" } else { "" };
        let verdict = match verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Redirect => "redirect",
        };
        let (layer, direction) = (layer_name(*layer), direction.map_or("unknown", direction_name));
        let differs = differs.map_or_else(String::new, |differs| format!(".differs={differs}"));
        format!(
            "postern_{subject}s{audited}_total.verdict={verdict}.reason={code}.layer={layer}.direction={direction}{differs}"
        )
    }
}

impl Counter {
    fn new(key: &Key<'_>, metric: Option<Arc<Metric>>) -> Self {
        let &Key { subject, verdict, layer, direction, code, differs } = key;
        Self { subject, verdict, layer, direction, code: code.to_owned(), differs, metric }
    }

    fn key(&self) -> Key<'_> {
        let Self { subject, verdict, layer, direction, code, differs, .. } = self;
        Key {
            subject: *subject,
            verdict: *verdict,
            layer: *layer,
            direction: *direction,
            code,
            differs: *differs,
        }
    }
}

fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::L3l4 => "L3L4",
        Layer::L7 => "L7",
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn is_code(code: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(letter)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Request => "request",
        })
    }
}

/// The one line that a denial leaves in the log.
struct Denial<'a>(Subject, &'a Decision);

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(subject, decision) = self;
        write!(f, "postern: denied {subject} ")?;
        if let Some(Side { direction, peer, identity }) = &decision.side {
            let direction = direction_name(*direction);
            write!(f, "direction={direction} peer={} identity={identity} ", address(peer))?;
        }
        let layer = layer_name(decision.layer);
        let why = decision.explanation.as_deref().unwrap_or("it gives no explanation");
        write!(f, "layer={layer} reason={}: {why}", decision.code)
    }
}

fn address(address: &Address) -> IpAddr {
    match *address {
        Address::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        Address::Ipv6((high, low)) => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
    }
}
