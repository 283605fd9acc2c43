//! Paths: how one side reads the path of a request, and what it says of each reading.

use crate::decide::Verdict;
use crate::endpoint::{DirectionPolicy, Flow};
use crate::http::Request;
use crate::path::{self, Profile, Unreadable};
use crate::policy::RuleId;
use crate::port::{PortRange, ProtocolMatch};

/// How one side reads the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What is said of the server of the port.
    pub profile: Profile,
    /// Each reading that the profile follows, the path as it was sent first.
    pub readings: Vec<Reading>,
    /// Why there is no more than the path as it was sent, where the others cannot be gone through.
    pub unreadable: Option<Unreadable>,
}

/// One reading of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The path.
    pub path: Vec<u8>,
    /// What would happen if every server read it like this.
    pub verdict: Verdict,
    /// The rule that decides, where one does.
    pub rule: Option<RuleId>,
    /// Why, in words.
    pub why: String,
}

impl Paths {
    /// None where the policy does not look at requests of the flow, or this one has no path.
    pub(super) fn of(policy: &DirectionPolicy, flow: &Flow, request: &Request<'_>) -> Option<Self> {
        let path = request.path?;
        if policy.connection(flow).verdict != Verdict::Redirect {
            return None;
        }
        let profile = policy.profile(flow.protocol, flow.port);
        let (found, unreadable) = match path::readings(path, profile) {
            Ok(found) => (found, None),
            Err(why) => (vec![path.into()], Some(why)),
        };
        // Whoever reads paths as they are sent decides by one.
        let every = PortRange { protocol: ProtocolMatch::Any, first: 0, last: u16::MAX };
        let as_sent = DirectionPolicy { profiles: vec![(every, Profile::Raw)], ..policy.clone() };
        let reading = |path: &[u8]| {
            let request = Request { path: Some(path), ..request.clone() };
            let decision = as_sent.request(flow, &request);
            let (rule, why) = (decision.rule().cloned(), decision.describe(Some(&request)));
            Reading { path: path.to_vec(), verdict: decision.verdict, rule, why }
        };
        Some(Self { profile, readings: found.iter().map(|path| reading(path)).collect(), unreadable })
    }
}
