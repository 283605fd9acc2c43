//! Enforcement: what is known of a connection, the decision, and what is said of it.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use postern_filter_report::{
    AUDITS_NOT_LOGGED, DENIALS_NOT_LOGGED, Decisions, Denied, Limit, Side, Subject, Tried, UNREADABLE,
    Untold, What,
};
use postern_policy_core::bytes;
use postern_policy_core::decide::{Decision, Reason, Verdict};
use postern_policy_core::http::Request;
use postern_policy_core::identity::PeerSource;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{self, Connection, Judged, Needs, PolicySet};
use proxy_wasm::types::LogLevel;

use crate::host;
use crate::metrics::{self, Metrics, RuleHits};
use crate::policy::Policy;

/// Envoy's number for a listener that takes outbound traffic.
const OUTBOUND: i64 = 2;

/// What stands for an address that does not matter.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A policy in force, and the ways to speak of what it decides. A new configuration makes a new one; what is under way
/// keeps its own.
pub(crate) struct Enforcer {
    policy: Policy,
    metrics: Metrics,
    hits: RuleHits,
    decisions: Decisions,
    denials: Limit,
    audits: Limit,
    certificates: bool,
    /// `None` where it does not matter: each question to the host costs.
    source: Option<Address>,
    destination: Option<Address>,
}

/// What became of a connection or request.
pub(crate) enum Outcome {
    Passes,
    /// It does not. What the client may quote, where the bundle says so.
    Denied(Option<String>),
}

impl Enforcer {
    pub(crate) fn new(policy: Policy, metrics: Metrics) -> Self {
        let report = policy.report();
        let limit = || Limit::new(report.denials_per_second, now());
        let (hits, certificates) = match policy.set() {
            None => (RuleHits::default(), false),
            Some(set) => (
                RuleHits::of(set, usize::from(report.rule_hits)),
                set.attachment().peer_from.contains(&PeerSource::Spiffe),
            ),
        };
        let needs = policy.set().map(PolicySet::needs);
        let address = |needed: fn(&Needs) -> bool, property| {
            needs.as_ref().is_none_or(needed).then(|| Address::new(property))
        };
        Self {
            policy,
            metrics,
            hits,
            decisions: Decisions::default(),
            denials: limit(),
            audits: limit(),
            certificates,
            source: address(|needs| needs.source, "source\0address"),
            destination: address(|needs| needs.destination, "destination\0address"),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether a certificate may tell who sends, and the client has not had the time to show one: Envoy shows a connection
    /// before its handshake.
    pub(crate) fn awaits_certificate(&self) -> bool {
        self.certificates && is_tls() && !shows_certificate()
    }

    /// Decides, counts, and says so where it denies.
    pub(crate) fn enforce(
        &self,
        subject: Subject,
        request: Option<&Request<'_>>,
        decide: impl for<'p> Fn(&'p PolicySet, &Connection, Option<&[u8]>) -> Judged<'p>,
    ) -> Outcome {
        let judged = match self.policy.set() {
            None => Judged::closed(Reason::NotLoaded),
            Some(set) => match self.connection(set) {
                None => Judged::closed(Reason::UnknownEndpoint),
                Some(connection) => {
                    let certificate = self.certificates.then(certificate).flatten();
                    decide(set, &connection, certificate.as_deref())
                }
            },
        };
        self.metrics.decided(subject, &judged);
        if let Some(rule) = judged.decision.rule() {
            self.hits.count(rule);
        }
        let tried = judged.audit.as_ref().filter(|tried| passes(tried) != passes(&judged.decision));
        if passes(&judged.decision) {
            if let Some(tried) = tried {
                self.say_tried(subject, judged.side.as_ref(), tried, request);
            }
            return Outcome::Passes;
        }
        Outcome::Denied(self.say_denied(subject, &judged, tried.is_some(), request))
    }

    /// What the host knows of the connection. `None` where an end has no IP address: nothing can be said of it.
    fn connection(&self, set: &PolicySet) -> Option<Connection> {
        let address = |property: &Option<Address>| match property {
            Some(property) => property.get(),
            None => Some(NOWHERE),
        };
        // One whose answer is fixed is not asked either.
        let direction = match set.attachment().direction {
            Some(_) => None,
            None => host::property("xds\0listener_direction")
                .ok()
                .and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok())
                .map(i64::from_le_bytes),
        };
        Some(Connection {
            source: address(&self.source)?,
            destination: address(&self.destination)?,
            direction: if direction == Some(OUTBOUND) { Direction::Egress } else { Direction::Ingress },
        })
    }

    /// A request that cannot be read: there is nothing to decide.
    pub(crate) fn unreadable(&self) {
        if let Some(untold) = take(&self.denials, DENIALS_NOT_LOGGED) {
            host::log(LogLevel::Error, &format!("{UNREADABLE}{untold}"));
        }
    }

    /// The one line that a denial leaves in the log, and what the client may quote of it.
    fn say_denied(
        &self,
        subject: Subject,
        judged: &Judged<'_>,
        tried_passes: bool,
        request: Option<&Request<'_>>,
    ) -> Option<String> {
        let quoted = self.policy.report().decision_header;
        let untold = take(&self.denials, DENIALS_NOT_LOGGED);
        if !quoted && untold.is_none() {
            return None;
        }
        let id = self.decisions.next();
        if let Some(untold) = untold {
            with_words(judged.side.as_ref(), &judged.decision, request, |what| {
                let line = Denied { subject, id: &id, tried_passes, what, untold };
                host::log(LogLevel::Info, &line.to_string());
            });
        }
        quoted.then_some(id)
    }

    /// The line for what passes, and would not if what is tried were enforced.
    fn say_tried(
        &self,
        subject: Subject,
        side: Option<&set::Side>,
        tried: &Decision<'_>,
        request: Option<&Request<'_>>,
    ) {
        let Some(untold) = take(&self.audits, AUDITS_NOT_LOGGED) else { return };
        with_words(side, tried, request, |what| {
            host::log(LogLevel::Info, &Tried { subject, what, untold }.to_string());
        });
    }
}

/// Whether a line may be said. One that may not is counted.
fn take(limit: &Limit, not_logged: &'static str) -> Option<Untold> {
    let untold = limit.take(now());
    if untold.is_none() {
        metrics::not_logged(not_logged);
    }
    untold
}

/// A host without a clock has no time: what is saved up is all that is ever said.
fn now() -> u64 {
    host::now().unwrap_or(0)
}

/// A decision in words.
fn with_words(
    side: Option<&set::Side>,
    decision: &Decision<'_>,
    request: Option<&Request<'_>>,
    say: impl FnOnce(What<'_>),
) {
    let direction = side.map(|side| side.direction.to_string()).unwrap_or_default();
    let side = side.map(|side| Side { direction: &direction, peer: side.peer, identity: side.identity.0 });
    let (layer, words) = (decision.layer.to_string(), decision.describe(request));
    say(What { side, layer: &layer, reason: decision.reason.code(), words: &words });
}

fn passes(decision: &Decision<'_>) -> bool {
    decision.verdict != Verdict::Deny
}

/// Whether the connection is TLS at all: then it has a certificate of this end, known from the start. The peer's is not
/// asked for before there is one: some releases of Envoy would remember for good that there was none.
fn is_tls() -> bool {
    host::property("connection\0subject_local_certificate").is_ok()
}

/// Whether the client has shown a certificate.
fn shows_certificate() -> bool {
    host::property("connection\0mtls").is_ok_and(|flag| flag == [1])
}

/// The first URI of the certificate that the client showed and the host verified.
fn certificate() -> Option<Vec<u8>> {
    host::property("connection\0uri_san_peer_certificate").ok().filter(|uri| !uri.is_empty())
}

/// A property that is an address. Requests of one connection come one after another: the same text is read once.
struct Address {
    property: &'static str,
    last: RefCell<(Vec<u8>, Option<SocketAddr>)>,
}

impl Address {
    fn new(property: &'static str) -> Self {
        Self { property, last: RefCell::default() }
    }

    fn get(&self) -> Option<SocketAddr> {
        let text = host::property(self.property).ok()?;
        let mut last = self.last.borrow_mut();
        if !bytes::same(&last.0, &text) {
            let address = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            *last = (text, address);
        }
        last.1
    }
}
