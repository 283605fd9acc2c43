//! A case as traffic: sent as bytes, judged by what comes back and by what reached the upstream.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use postern_policy_core::policy::Direction;
use postern_tests_corpus::{Case, Observed, Scenario};
use postern_tests_harness::raw::Request;
use postern_tests_harness::upstream::Seen;
use postern_tests_harness::{RawClient, RawOutcome, Upstream};

use crate::bundles::Door;
use crate::tutorial::DENIED;

const DEADLINE: Duration = Duration::from_secs(20);

/// The upstream of all cases, and how much of its record is known.
#[derive(Debug)]
pub struct Traffic {
    upstream: Upstream,
    known: usize,
}

impl Traffic {
    /// Starts the upstream, on every loopback address: for egress it is each of the peers.
    pub fn start() -> Result<Traffic> {
        Ok(Traffic { upstream: Upstream::start(SocketAddr::from(([0, 0, 0, 0], 0)))?, known: 0 })
    }

    /// Where the proxy at a door sends what passes.
    #[must_use]
    pub fn behind(&self, door: &Door) -> SocketAddr {
        let address = if door.egress { door.address } else { IpAddr::from([127, 0, 0, 1]) };
        SocketAddr::new(address, self.upstream.addr().port())
    }

    /// Sends a case's request to a listener and gives the answer, and what the upstream has seen of it.
    pub fn send(
        &mut self,
        scenario: &Scenario,
        case: &Case,
        listener: SocketAddr,
    ) -> (RawOutcome, Vec<Seen>) {
        let outcome = RawClient::request(source(scenario, case), listener, &bytes(case), DEADLINE);
        // The record is never emptied: what reaches the upstream late is in the next case's way.
        let seen = self.upstream.seen().split_off(self.known);
        self.known += seen.len();
        (outcome, seen)
    }

    /// Sends a case's request to a listener and says what came of it.
    pub fn observe(&mut self, scenario: &Scenario, case: &Case, listener: SocketAddr) -> Observed {
        let (outcome, seen) = self.send(scenario, case, listener);
        match (&outcome, seen.as_slice()) {
            (RawOutcome::Response { status: 200, .. }, [seen]) if is_of(case, seen) => Observed::Allow,
            (RawOutcome::Response { status: 403, body, .. }, []) if body == DENIED => Observed::Deny,
            // To HEAD there is no body, and Envoy sends none to who asks for an upgrade.
            (RawOutcome::Response { status: 403, body, .. }, [])
                if body.is_empty() && (case.method == b"HEAD" || asks_for_upgrade(case)) =>
            {
                Observed::Deny
            }
            (outcome, []) if outcome.is_unanswered() => Observed::Drop,
            // What no proxy would make of a request that it understood and passed on.
            (RawOutcome::Response { status: status @ (400 | 404 | 405 | 414 | 426 | 431 | 501), .. }, []) => {
                Observed::Refused(*status)
            }
            (outcome, seen) => Observed::Other(format!("{outcome:?}; the upstream saw {seen:?}")),
        }
    }
}

fn source(scenario: &Scenario, case: &Case) -> IpAddr {
    match case.direction {
        Direction::Ingress => case.peer,
        Direction::Egress => scenario.subject_address,
    }
}

fn asks_for_upgrade(case: &Case) -> bool {
    case.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"upgrade"))
}

fn bytes(case: &Case) -> Vec<u8> {
    let target = case.path.as_ref().unwrap_or(&case.host);
    let request = Request::new(&String::from_utf8_lossy(&case.method), target).header("host", &case.host);
    case.headers.iter().fold(request, |request, (name, value)| request.header(name, value)).to_bytes()
}

/// Whether what reached the upstream is the case's request, unchanged in everything that policy looks at.
fn is_of(case: &Case, seen: &Seen) -> bool {
    let values = |headers: &[(String, Vec<u8>)], name: &[u8]| -> Vec<Vec<u8>> {
        let named = headers.iter().filter(|(key, _)| key.as_bytes().eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone()).collect()
    };
    let sent: Vec<(String, Vec<u8>)> = case
        .headers
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
        .collect();
    seen.method.as_bytes() == case.method
        && Some(seen.path.as_bytes()) == case.path.as_deref()
        && seen.host.as_ref().map(String::as_bytes) == Some(&case.host)
        && case.headers.iter().all(|(name, _)| values(&sent, name) == values(&seen.headers, name))
}
