//! What is said of decisions, as the proxy-wasm module says it: counters, lines in the log, the id that a client quotes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_filter_report::{
    self as report, AUDITS_NOT_LOGGED, DENIALS_NOT_LOGGED, Decisions, Denied, InForce, Limit, NO_POLICY,
    QUARANTINED, Quarantined, Subject, Tried, UNREADABLE, Untold, What,
};
use tracing::Level;

use super::bindings::exports::postern::policy::decider::{
    Address, Decision, Judgement, Part, Parts, Report, Side, Verdict,
};
use super::counters::{Counters, RuleHits, code, direction_name, layer_name};
use crate::imports::line;
use crate::metrics::{MetricKind, MetricsStore};
use crate::module::Plugin;

/// Before a bundle says how many.
const DENIALS_PER_SECOND: u16 = 10;

/// Counts and logs for one instance.
pub(super) struct Reporter {
    plugin: Arc<Plugin>,
    metrics: Arc<MetricsStore>,
    counters: Counters,
    hits: RuleHits,
    decisions: Decisions,
    /// Whether clients are told the ids.
    quoted: bool,
    connections: Lines,
    requests: Lines,
    started: Instant,
}

/// How many lines there may be of one subject: each has its own limits, as the module's two filters have.
struct Lines {
    denials: Limit,
    audits: Limit,
}

impl Lines {
    fn new(per_second: u16, now: u64) -> Self {
        Self { denials: Limit::new(per_second, now), audits: Limit::new(per_second, now) }
    }
}

impl Reporter {
    pub(super) fn new(plugin: Arc<Plugin>, metrics: Arc<MetricsStore>) -> Self {
        let lines = || Lines::new(DENIALS_PER_SECOND, 0);
        Self {
            plugin,
            metrics,
            counters: Counters::default(),
            hits: RuleHits::default(),
            decisions: Decisions::default(),
            quoted: false,
            connections: lines(),
            requests: lines(),
            started: Instant::now(),
        }
    }

    /// A bundle was accepted.
    pub(super) fn configured(&mut self, accepted: &Report, took: Duration) {
        if let Some(gauge) = self.metrics.define(MetricKind::Gauge, QUARANTINED) {
            gauge.record(u64::try_from(accepted.quarantined.len()).unwrap_or(u64::MAX));
        }
        for rule in &accepted.quarantined {
            let line = Quarantined { rule: &rule.rule, why: &rule.explanation };
            self.log(Level::WARN, &line.to_string());
        }
        if let Some(Parts { identities, policy }) = &accepted.parts {
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            let line = InForce { identities: part(identities), policy: part(policy), took };
            self.log(Level::INFO, &line.to_string());
        }
        let reporting = &accepted.reporting;
        let lines = || Lines::new(reporting.denials_per_second, self.now());
        (self.connections, self.requests) = (lines(), lines());
        self.hits = RuleHits::of(&reporting.rules);
        self.quoted = reporting.decision_header;
    }

    /// None was accepted yet, and none was given.
    pub(super) fn without_policy(&self) {
        self.log(Level::WARN, NO_POLICY);
    }

    /// A bundle was not accepted.
    pub(super) fn refused(&self, line: &str) {
        self.log(Level::ERROR, line);
    }

    /// A decision was taken. What the client may quote of it.
    pub(super) fn decided(&mut self, subject: Subject, judgement: &Judgement) -> Option<String> {
        let Judgement { enforced, audit } = judgement;
        let tried = audit.as_ref().filter(|tried| passes(tried) != passes(enforced));
        self.counters.count(&self.metrics, subject, enforced, None);
        if let Some(audit) = audit {
            self.counters.count(&self.metrics, subject, audit, Some(tried.is_some()));
        }
        if let Some(rule) = &enforced.rule {
            self.hits.count(&self.metrics, rule);
        }
        if !passes(enforced) {
            return self.say_denied(subject, enforced, tried.is_some());
        }
        if let Some(tried) = tried
            && let Some(untold) = self.take(&self.lines(subject).audits, AUDITS_NOT_LOGGED)
        {
            self.log(Level::INFO, &Tried { subject, what: what(tried), untold }.to_string());
        }
        None
    }

    /// A request could not be put as a question.
    pub(super) fn unreadable(&self) {
        if let Some(untold) = self.take(&self.requests.denials, DENIALS_NOT_LOGGED) {
            self.log(Level::ERROR, &format!("{UNREADABLE}{untold}"));
        }
    }

    fn say_denied(&self, subject: Subject, decision: &Decision, tried_passes: bool) -> Option<String> {
        let untold = self.take(&self.lines(subject).denials, DENIALS_NOT_LOGGED);
        if !self.quoted && untold.is_none() {
            return None;
        }
        let id = self.decisions.next();
        if let Some(untold) = untold {
            let line = Denied { subject, id: &id, tried_passes, what: what(decision), untold };
            self.log(Level::INFO, &line.to_string());
        }
        self.quoted.then_some(id)
    }

    fn lines(&self, subject: Subject) -> &Lines {
        match subject {
            Subject::Connection => &self.connections,
            Subject::Request => &self.requests,
        }
    }

    /// Whether a line may be said. One that may not is counted.
    fn take(&self, limit: &Limit, not_logged: &str) -> Option<Untold> {
        let untold = limit.take(self.now());
        if untold.is_none()
            && let Some(counter) = self.metrics.define(MetricKind::Counter, not_logged)
        {
            counter.increment(1);
        }
        untold
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn log(&self, level: Level, text: &str) {
        line(&self.plugin.name, level, text.as_bytes());
    }
}

fn passes(decision: &Decision) -> bool {
    decision.verdict != Verdict::Deny
}

fn part(part: &Part) -> report::Part<'_> {
    report::Part { version: &part.version, kept: part.kept }
}

/// A decision as the log has it.
fn what(decision: &Decision) -> What<'_> {
    let side = decision.side.as_ref().map(|Side { direction, peer, identity }| report::Side {
        direction: direction_name(*direction),
        peer: address(peer),
        identity: *identity,
    });
    What {
        side,
        layer: layer_name(decision.layer),
        reason: code(decision),
        words: decision.explanation.as_deref().unwrap_or("it gives no explanation"),
    }
}

fn address(address: &Address) -> IpAddr {
    match *address {
        Address::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        Address::Ipv6((high, low)) => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
    }
}
