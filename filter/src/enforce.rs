//! Enforcement: what is known of a connection, the decision, and what is said of it.

use std::cell::RefCell;
use std::net::SocketAddr;

use postern_policy_core::bytes;
use postern_policy_core::decide::{Decision, Reason, Verdict};
use postern_policy_core::http::Request;
use postern_policy_core::identity::PeerSource;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{Connection, Judged, PolicySet, Side};
use proxy_wasm::types::LogLevel;

use crate::decisions::Decisions;
use crate::host;
use crate::limit::Limit;
use crate::metrics::{Metrics, RuleHits, Subject};
use crate::policy::Policy;

/// Envoy's number for a listener that takes outbound traffic.
const OUTBOUND: i64 = 2;

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
    source: Address,
    destination: Address,
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
        let limit = |what| Limit::new(report.denials_per_second, what);
        let (denials, audits) =
            (limit("postern_denials_not_logged_total"), limit("postern_audits_not_logged_total"));
        let (hits, certificates) = match policy.set() {
            None => (RuleHits::default(), false),
            Some(set) => (
                RuleHits::of(set, usize::from(report.rule_hits)),
                set.attachment().peer_from.contains(&PeerSource::Spiffe),
            ),
        };
        Self {
            policy,
            metrics,
            hits,
            decisions: Decisions::default(),
            denials,
            audits,
            certificates,
            source: Address::new("source\0address"),
            destination: Address::new("destination\0address"),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
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
        // Each question to the host costs: one whose answer is fixed is not asked.
        let direction = match set.attachment().direction {
            Some(_) => None,
            None => host::property("xds\0listener_direction")
                .ok()
                .and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok())
                .map(i64::from_le_bytes),
        };
        Some(Connection {
            source: self.source.get()?,
            destination: self.destination.get()?,
            direction: if direction == Some(OUTBOUND) { Direction::Egress } else { Direction::Ingress },
        })
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
        let untold = self.denials.take();
        if !quoted && untold.is_none() {
            return None;
        }
        let id = self.decisions.next();
        if let Some(untold) = untold {
            let audit = if tried_passes { "audit=allow " } else { "" };
            let ends = ends(judged.side.as_ref());
            let text = describe(&judged.decision, request);
            host::log(
                LogLevel::Info,
                &format!("postern: denied {subject} {ends}decision={id} {audit}{text}{untold}"),
            );
        }
        quoted.then_some(id)
    }

    /// The line for what passes, and would not if what is tried were enforced.
    fn say_tried(
        &self,
        subject: Subject,
        side: Option<&Side>,
        tried: &Decision<'_>,
        request: Option<&Request<'_>>,
    ) {
        let Some(untold) = self.audits.take() else { return };
        let (ends, text) = (ends(side), describe(tried, request));
        host::log(
            LogLevel::Info,
            &format!("postern: audit: {subject} passes and would be denied: {ends}{text}{untold}"),
        );
    }
}

fn passes(decision: &Decision<'_>) -> bool {
    decision.verdict != Verdict::Deny
}

fn ends(side: Option<&Side>) -> String {
    side.map_or_else(String::new, |Side { direction, peer, identity }| {
        format!("direction={direction} peer={peer} identity={identity} ")
    })
}

fn describe(decision: &Decision<'_>, request: Option<&Request<'_>>) -> String {
    let (layer, code) = (decision.layer, decision.reason.code());
    format!("layer={layer} reason={code}: {}", decision.describe(request))
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
