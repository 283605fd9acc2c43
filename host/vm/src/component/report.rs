//! What is said of decisions: a counter for each kind, a line for a denial.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tracing::Level;

use super::bindings::exports::postern::policy::decider::{
    Address, Decision, Direction, Layer, Report, Side, Verdict,
};
use crate::imports::line;
use crate::metrics::{Metric, MetricKind, MetricsStore};
use crate::module::Plugin;

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
}

/// A counter, found or made when it is first needed; without a metric where the store has no room.
struct Counter {
    subject: Subject,
    verdict: Verdict,
    code: String,
    metric: Option<Arc<Metric>>,
}

/// How many reasons a guest may name, and in how many letters. It is not trusted to name few.
const MAX_COUNTERS: usize = 64;
const MAX_CODE: usize = 32;

impl Reporter {
    pub(super) fn new(plugin: Arc<Plugin>, metrics: Arc<MetricsStore>) -> Self {
        Self { plugin, metrics, counters: Vec::new() }
    }

    /// A bundle was accepted.
    pub(super) fn configured(&self, report: &Report) {
        if let Some(gauge) = self.metrics.define(MetricKind::Gauge, "postern_rules_quarantined") {
            gauge.record(u64::try_from(report.quarantined.len()).unwrap_or(u64::MAX));
        }
        for rule in &report.quarantined {
            self.log(
                Level::WARN,
                &format!("postern: rule {} is quarantined: {}", rule.rule, rule.explanation),
            );
        }
    }

    /// A decision was taken.
    pub(super) fn decided(&mut self, subject: Subject, decision: &Decision) {
        if let Some(metric) = self.counter(subject, decision) {
            metric.increment(1);
        }
        if decision.verdict == Verdict::Deny {
            self.log(Level::INFO, &Denial(subject, decision).to_string());
        }
    }

    /// A request could not be put as a question.
    pub(super) fn unreadable(&self) {
        self.log(
            Level::ERROR,
            "postern: denied: the request has no method, or two methods, paths or authorities",
        );
    }

    fn counter(&mut self, subject: Subject, decision: &Decision) -> Option<&Metric> {
        let code = if is_code(&decision.code) { decision.code.as_str() } else { "other" };
        let known = self.counters.iter().position(|counter| {
            counter.subject == subject && counter.verdict == decision.verdict && counter.code == code
        });
        let index = match known {
            Some(index) => index,
            None if self.counters.len() >= MAX_COUNTERS => return None,
            None => {
                let verdict = name_of(decision.verdict);
                let name = format!("postern_{subject}s_{verdict}_{}", code.replace('-', "_"));
                let metric = self.metrics.define(MetricKind::Counter, &name);
                self.counters.push(Counter {
                    subject,
                    verdict: decision.verdict,
                    code: code.to_owned(),
                    metric,
                });
                self.counters.len() - 1
            }
        };
        self.counters.get(index)?.metric.as_deref()
    }

    fn log(&self, level: Level, text: &str) {
        line(&self.plugin.name, level, text.as_bytes());
    }
}

fn is_code(code: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(letter)
}

fn name_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::Redirect => "redirect",
    }
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
            let direction = match direction {
                Direction::Ingress => "ingress",
                Direction::Egress => "egress",
            };
            write!(f, "direction={direction} peer={} identity={identity} ", address(peer))?;
        }
        let layer = match decision.layer {
            Layer::L3l4 => "L3L4",
            Layer::L7 => "L7",
        };
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
