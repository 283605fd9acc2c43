//! Connections: what is known of one, and the filter that closes those that policy drops.

use std::net::SocketAddr;
use std::rc::Rc;

use postern_policy_core::decide::{Decision, Reason, Verdict};
use postern_policy_core::http::Request;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{Connection, Judged, PolicySet, Side};
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action, LogLevel};

use crate::host;
use crate::metrics::{Metrics, Subject};
use crate::policy::Policy;

/// Envoy's number for a listener that takes outbound traffic.
const OUTBOUND: i64 = 2;

/// What the host knows of the connection. `None` where an end has no IP address: nothing can be said of it.
pub(crate) fn connection() -> Option<Connection> {
    let address = |path| -> Option<SocketAddr> {
        let text = host::property(path).ok()?;
        std::str::from_utf8(&text).ok()?.parse().ok()
    };
    let direction = host::property("xds\0listener_direction")
        .ok()
        .and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok())
        .map(i64::from_le_bytes);
    Some(Connection {
        source: address("source\0address")?,
        destination: address("destination\0address")?,
        direction: if direction == Some(OUTBOUND) { Direction::Egress } else { Direction::Ingress },
    })
}

/// Decides, and says so where it denies. Returns whether the traffic passes.
pub(crate) fn enforce(
    policy: &Policy,
    metrics: &Metrics,
    subject: Subject,
    request: Option<&Request<'_>>,
    decide: impl for<'p> Fn(&'p PolicySet, &Connection) -> Judged<'p>,
) -> bool {
    let connection = connection();
    let closed = |reason| Judged { side: None, decision: Decision::closed(reason) };
    let judged = match (policy, &connection) {
        (Policy::NotLoaded, _) => closed(Reason::NotLoaded),
        (Policy::Loaded(_), None) => closed(Reason::UnknownEndpoint),
        (Policy::Loaded(set), Some(connection)) => decide(set, connection),
    };
    metrics.count(subject, &judged.decision);
    let passes = judged.decision.verdict != Verdict::Deny;
    if !passes {
        host::log(LogLevel::Info, &denial(&judged, subject, request));
    }
    passes
}

/// The one line that a denial leaves in the log.
fn denial(judged: &Judged<'_>, subject: Subject, request: Option<&Request<'_>>) -> String {
    let ends = judged.side.as_ref().map_or_else(String::new, |Side { direction, peer, identity }| {
        format!("direction={direction} peer={peer} identity={identity} ")
    });
    let decision = &judged.decision;
    let (layer, code) = (decision.layer, decision.reason.code());
    format!("postern: denied {subject} {ends}layer={layer} reason={code}: {}", decision.describe(request))
}

/// The network filter: decides once, before anything has passed.
pub(crate) struct ConnectionFilter {
    policy: Policy,
    metrics: Rc<Metrics>,
    denied: bool,
}

impl ConnectionFilter {
    pub(crate) fn new(policy: Policy, metrics: Rc<Metrics>) -> Self {
        Self { policy, metrics, denied: false }
    }
}

impl Context for ConnectionFilter {}

impl StreamContext for ConnectionFilter {
    fn on_new_connection(&mut self) -> Action {
        let passes = enforce(&self.policy, &self.metrics, Subject::Connection, None, |set, connection| {
            set.connection(connection)
        });
        if passes {
            return Action::Continue;
        }
        self.denied = true;
        if let Err(status) = host::close_connection() {
            host::log(
                LogLevel::Error,
                &format!("postern: could not close a denied connection: status {status}"),
            );
        }
        Action::Pause
    }

    /// Where the host could not close it, nothing of it gets any further either.
    fn on_downstream_data(&mut self, _: usize, _: bool) -> Action {
        if self.denied { Action::Pause } else { Action::Continue }
    }
}
