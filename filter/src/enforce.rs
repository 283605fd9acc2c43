//! Enforcement: what is known of a connection, the decision, and what is said of it.

use postern_filter_report::{
    AUDITS_NOT_LOGGED, DENIALS_NOT_LOGGED, Decisions, Denied, Limit, Side, Subject, Tried, UNREADABLE,
    Untold, What,
};
use postern_policy_core::decide::{Decision, Reason, Verdict};
use postern_policy_core::http::Request;
use postern_policy_core::identity::PeerSource;
use postern_policy_core::set::{self, Asked, Connection, Judged, Need, PolicySet};
use proxy_wasm::types::LogLevel;

use crate::ends::Ends;
use crate::host;
use crate::metrics::{self, Metrics, RuleHits};
use crate::policy::Policy;

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
    /// What is asked for where a connection is decided, and where a request is.
    ends_of_connections: Ends,
    ends_of_requests: Ends,
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
        let ends = |asked| Ends::of(policy.set(), asked);
        let (ends_of_connections, ends_of_requests) = (ends(Asked::Connection), ends(Asked::Request));
        Self {
            policy,
            metrics,
            hits,
            decisions: Decisions::default(),
            denials: limit(),
            audits: limit(),
            certificates,
            ends_of_connections,
            ends_of_requests,
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

    /// Whether it matters which headers a request has.
    pub(crate) fn wants_headers(&self) -> bool {
        self.ends_of_requests.headers
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
            Some(set) => self.judge(set, subject, decide),
        };
        self.metrics.decided(subject, &judged);
        if let Some(rule) = judged.decision.rule() {
            self.hits.count(rule);
        }
        let tried = differs(&judged);
        if passes(&judged.decision) {
            if let Some(tried) = tried {
                self.say_tried(subject, judged.side.as_ref(), tried, request);
            }
            return Outcome::Passes;
        }
        Outcome::Denied(self.say_denied(subject, &judged, tried.is_some(), request))
    }

    /// The decision, with what it takes to tell of it where there is something to tell.
    fn judge<'p>(
        &'p self,
        set: &'p PolicySet,
        subject: Subject,
        decide: impl Fn(&'p PolicySet, &Connection, Option<&[u8]>) -> Judged<'p>,
    ) -> Judged<'p> {
        let ends = match subject {
            Subject::Connection => &self.ends_of_connections,
            Subject::Request => &self.ends_of_requests,
        };
        let Some(connection) = ends.connection(Need::Deciding) else {
            return Judged::closed(Reason::UnknownEndpoint);
        };
        let certificate = self.certificates.then(certificate).flatten();
        let judged = decide(set, &connection, certificate.as_deref());
        if ends.has_more_to_tell() && (!passes(&judged.decision) || differs(&judged).is_some()) {
            // The same decision: by what it did not need before, it is said whose connection it was.
            return match ends.connection(Need::Telling) {
                Some(connection) => decide(set, &connection, certificate.as_deref()),
                None => Judged { side: None, ..judged },
            };
        }
        judged
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

/// What is tried, where it lets pass what is enforced does not, or the other way round.
fn differs<'j, 'p>(judged: &'j Judged<'p>) -> Option<&'j Decision<'p>> {
    judged.audit.as_ref().filter(|tried| passes(tried) != passes(&judged.decision))
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
