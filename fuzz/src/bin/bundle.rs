//! Whatever stands in a bundle, and whatever a request is: the bundle is read or refused, whichever came before it, and the
//! compiled set decides as its rules do one by one.

#![allow(clippy::expect_used, reason = "the seed is a file of this repository")]

use std::net::IpAddr;
use std::process::ExitCode;

use postern_policy_core::decide::Reason;
use postern_policy_core::endpoint::{EndpointPolicy, Flow, Peers, Ports};
use postern_policy_core::http::Request;
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::policy::Direction;
use postern_policy_core::port::Protocol;
use postern_policy_core::set::{Attached, Attachment, Connection, PolicySet};
use postern_policy_wire::{Loaded, decode};

/// What stands between the bundle and a request: its method, path, host and one header, a line each.
const MARKER: &[u8] = b"\n=== request ===\n";
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn main() -> ExitCode {
    postern_fuzz::run(|bytes| {
        let place = bytes.windows(MARKER.len()).position(|window| window == MARKER);
        let (bundle, asked) = bytes.split_at(place.unwrap_or(bytes.len()));
        let Some(set) = read(bundle) else { return };
        let mut lines = asked.get(MARKER.len()..).unwrap_or_default().split(|byte| *byte == b'\n');
        let (method, path, authority) = (lines.next(), lines.next(), lines.next());
        let headers = lines.filter_map(|line| line.split_first_chunk::<1>());
        let headers = headers.map(|(name, value)| (name.as_slice(), value)).collect();
        let request = Request { method, path, authority, headers };
        for endpoint in set.endpoints() {
            for direction in [Direction::Ingress, Direction::Egress] {
                compare(endpoint, direction, &request);
            }
        }
    })
}

/// What came before the bundle: a seed that inputs are made of, so that some of its rules are taken over.
const BEFORE: &[u8] = include_bytes!("../../seeds/bundle/paths.txt");

thread_local! {
    static LOADED: Loaded = {
        let end = BEFORE.windows(MARKER.len()).position(|window| window == MARKER);
        let bundle = BEFORE.get(..end.unwrap_or(BEFORE.len())).unwrap_or_default();
        Loaded::new(bundle.to_vec(), []).expect("the seed is a bundle")
    };
}

/// Reads a bundle as a whole, in parts, and after another one: each takes it, and for the same, or none does.
fn read(bundle: &[u8]) -> Option<PolicySet> {
    let whole = decode(bundle);
    let parts = Loaded::new(bundle.to_vec(), []);
    let after = LOADED.with(|loaded| Loaded::new(bundle.to_vec(), [loaded]));
    for loaded in [parts, after] {
        // Of several things that are wrong, each may say another.
        assert_eq!(whole.is_ok(), loaded.is_ok(), "{:?}\n{:?}", whole.as_ref().err(), loaded.as_ref().err());
        if let (Ok((set, quarantined)), Ok(loaded)) = (&whole, loaded) {
            assert_eq!(loaded.set.endpoints(), set.endpoints());
            assert_eq!(loaded.quarantined, *quarantined);
        }
    }
    whole.ok().map(|(set, _)| set)
}

fn compare(endpoint: &EndpointPolicy, direction: Direction, request: &Request<'_>) {
    let policy = endpoint.direction(direction);
    let mut peers = vec![IdentityId::WORLD];
    let mut ports = vec![80];
    for rule in policy.rules.iter().take(8) {
        if let Peers::Only(identities) = &rule.peers {
            peers.extend(identities.first());
        }
        if let Ports::Only(ranges) = &rule.ports {
            ports.extend(ranges.first().map(|range| range.last));
        }
    }
    for peer in &peers {
        for port in &ports {
            let attachment = Attachment {
                direction: Some(Attached::To(direction)),
                endpoint: Some(endpoint.name.clone()),
                port: Some(*port),
                ..Attachment::default()
            };
            let known = AddressTable::from_iter([(PEER.into(), *peer)]);
            let Ok(set) = PolicySet::new(vec![endpoint.clone()], known, attachment) else { return };
            let end = (PEER, 1).into();
            let judged = set.request(&Connection { source: end, destination: end, direction }, request);
            let rules = policy.request(&Flow { peer: *peer, protocol: Protocol::Tcp, port: *port }, request);
            // What each may cost is counted in its own way.
            let costly = |reason: &Reason<'_>| {
                matches!(
                    reason,
                    Reason::TooManyCandidates | Reason::UnreadablePath(_) | Reason::AmbiguousPath(_)
                )
            };
            let found = judged.decision;
            let same = found.verdict == rules.verdict && found.rule() == rules.rule();
            assert!(
                same || costly(&found.reason) || costly(&rules.reason),
                "{found:?}\nby its rules: {rules:?}"
            );
        }
    }
}
