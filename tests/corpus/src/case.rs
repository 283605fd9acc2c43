//! Scenarios and cases, ready to be run.

use std::fmt;
use std::net::IpAddr;

use postern_policy_core::endpoint::EndpointPolicy;
use postern_policy_core::http::Request;
use postern_policy_core::policy::Direction;
use postern_policy_core::world::{Identities, WorkloadName};

/// Policies, a world, and the cases to be decided in it.
#[derive(Debug)]
pub struct Scenario {
    /// `file: name`.
    pub name: String,
    /// What of `docs/semantics.md` it pins.
    pub clause: String,
    /// The policies as they are written.
    pub policy_text: String,
    /// The inventory as it is written.
    pub inventory_text: String,
    /// The workload whose policy is enforced.
    pub subject: WorkloadName,
    /// Its address.
    pub subject_address: IpAddr,
    /// Its policy.
    pub policy: EndpointPolicy,
    /// Who is who.
    pub identities: Identities,
    /// What is asked.
    pub cases: Vec<Case>,
}

/// One request, and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called in a report.
    pub name: String,
    /// Which of the subject's policies decides.
    pub direction: Direction,
    /// The other end's address.
    pub peer: IpAddr,
    /// The destination's port, as policies mean it.
    pub port: u16,
    /// `:method`.
    pub method: Vec<u8>,
    /// `:path`; a CONNECT has none.
    pub path: Option<Vec<u8>>,
    /// `:authority`.
    pub host: Vec<u8>,
    /// The other headers.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// What must come of it.
    pub expected: Observed,
    /// Whether a proxy may also refuse it on its own account, so that policy never sees it.
    pub or_refused: bool,
    /// The reason's name, where the case pins it.
    pub reason: Option<String>,
    /// The rule that decides, where the case pins it.
    pub rule: Option<String>,
    /// Engines that cannot run it, each with the reason.
    pub not_on: Vec<(String, String)>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It reached the upstream.
    Allow,
    /// It was answered with 403 and never reached the upstream.
    Deny,
    /// The connection was closed before any byte.
    Drop,
    /// The proxy answered with this status on its own account, and it never reached the upstream.
    Refused(u16),
    /// Something else.
    Other(String),
}

impl Case {
    /// The request as policy sees it.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: Some(&self.method),
            path: self.path.as_deref(),
            authority: Some(&self.host),
            headers: self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect(),
        }
    }

    /// Whether this is what must come of it.
    pub fn is_met_by(&self, observed: &Observed) -> bool {
        *observed == self.expected || (self.or_refused && matches!(observed, Observed::Refused(_)))
    }

    /// Why an engine cannot run this case, if it cannot.
    pub fn excluded_on(&self, engine: &str) -> Option<&str> {
        self.not_on.iter().find(|(name, _)| name == engine).map(|(_, reason)| reason.as_str())
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny => f.write_str("deny"),
            Self::Drop => f.write_str("drop"),
            Self::Refused(status) => write!(f, "refused with {status}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}
