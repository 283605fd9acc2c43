//! Which addresses of a connection, and whether the headers of a request, matter to a policy set.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::sync::Arc;

use postern_policy_core::endpoint::{
    Action, Audit, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule, Tier,
};
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::identity::{AddressTable, IdentityId, PeerSource};
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::port::{PortRange, ProtocolMatch};
use postern_policy_core::set::{Asked, Attached, Attachment, Connection, Judged, Need, Needs, PolicySet};
use postern_policy_core::world::WorkloadName;

const ADDRESSES: [[u8; 4]; 4] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3], [0, 0, 0, 0]];
const PORTS: [u16; 2] = [80, 81];

/// What rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Nothing,
    Peers,
    Header,
}

/// Two workloads, 10.0.0.1 and 10.0.0.2, each of which talks on port 80 with everybody, with the other alone, or with who
/// has the header.
fn endpoints(rules: Rules) -> Vec<EndpointPolicy> {
    let peers = |peer| match rules {
        Rules::Peers => Peers::Only(Arc::new(BTreeSet::from([IdentityId(peer)]))),
        Rules::Nothing | Rules::Header => Peers::Any,
    };
    let header = HeaderMatch { name: "x-role".to_owned(), value: None };
    let wanted = HttpMatch { headers: vec![header], ..HttpMatch::default() };
    let http = HttpRule { id: RuleId::new("r/0"), matcher: HttpMatcher::Active(wanted) };
    let only = |peer| DirectionPolicy {
        default_deny: true,
        rules: vec![Arc::new(Rule {
            id: RuleId::new("r"),
            tier: Tier::Normal,
            peers: peers(peer),
            ports: Ports::Only(vec![PortRange { protocol: ProtocolMatch::Any, first: 80, last: 80 }]),
            action: match rules {
                Rules::Header => Action::Http(Arc::new([http.clone()])),
                Rules::Nothing | Rules::Peers => Action::Allow,
            },
        })],
        ..DirectionPolicy::default()
    };
    let endpoint = |(number, peer): (usize, u32)| EndpointPolicy {
        name: WorkloadName::parse(&format!("default/w{number}")),
        addresses: vec![ADDRESSES[number - 1].into()],
        ingress: only(peer),
        egress: only(peer),
        audit: Audit::default(),
    };
    [(1, 2), (2, 1)].map(endpoint).into()
}

/// Ways to tell who sends: none, and each that needs something else of the address.
fn peer_sources() -> Vec<Vec<PeerSource>> {
    use PeerSource::{ForwardedFor, Source, Spiffe};
    let forwarded = |from| ForwardedFor { trusted_hops: NonZeroU8::MIN, from };
    let hop = || Peers::Only(Arc::new(BTreeSet::from([IdentityId(1)])));
    vec![
        vec![],
        vec![Source],
        vec![Spiffe],
        vec![Spiffe, Source],
        vec![forwarded(Peers::Any)],
        vec![forwarded(Peers::Any), Source],
        vec![Spiffe, forwarded(Peers::Any), Source],
        vec![forwarded(hop()), Source],
    ]
}

fn sets() -> Vec<PolicySet> {
    let mut sets = Vec::new();
    let directions = [
        None,
        Some(Attached::Both),
        Some(Attached::To(Direction::Ingress)),
        Some(Attached::To(Direction::Egress)),
    ];
    let attachments = directions.into_iter().flat_map(|direction| {
        let endpoints = [None, Some(WorkloadName::parse("default/w1"))];
        endpoints.into_iter().flat_map(move |endpoint| {
            [None, Some(80), Some(81)].into_iter().flat_map(move |port| {
                let endpoint = endpoint.clone();
                let attachment = Attachment { direction, endpoint, port, ..Attachment::default() };
                let peer = Attachment { peer: Some(ADDRESSES[1].into()), ..attachment.clone() };
                let peer_from = peer_sources().into_iter();
                let by = peer_from.map(move |peer_from| Attachment { peer_from, ..attachment.clone() });
                by.chain([peer])
            })
        })
    });
    for attachment in attachments {
        for rules in [Rules::Nothing, Rules::Peers, Rules::Header] {
            let table =
                [1, 2].map(|n| (IpAddr::from(ADDRESSES[n - 1]).into(), IdentityId(n.try_into().unwrap())));
            let table = AddressTable::from_iter(table);
            // One endpoint and both ends contradict each other.
            sets.extend(PolicySet::new(endpoints(rules), table, attachment.clone()).ok());
        }
    }
    sets
}

/// What an address turns out to be needed for: all that is said with each of them, whatever the rest is.
fn found(said: impl Iterator<Item = Vec<Judged<'static>>>) -> Need {
    let said: Vec<_> = said.collect();
    let decided =
        |judged: &Judged<'static>| (judged.side.map(|side| side.direction), judged.decision.clone());
    let decisions: BTreeSet<_> =
        said.iter().map(|all| format!("{:?}", all.iter().map(decided).collect::<Vec<_>>())).collect();
    let all: BTreeSet<_> = said.iter().map(|all| format!("{all:?}")).collect();
    match (decisions.len(), all.len()) {
        (1, 1) => Need::Nothing,
        (1, _) => Need::Telling,
        _ => Need::Deciding,
    }
}

#[test]
fn what_is_needed_changes_something_and_nothing_else_does() {
    let addresses: Vec<SocketAddr> =
        ADDRESSES.iter().flat_map(|ip| PORTS.map(|port| SocketAddr::from((*ip, port)))).collect();
    let forwarded: (&[u8], &[u8]) = (b"x-forwarded-for", b"10.0.0.2");
    let role: (&[u8], &[u8]) = (b"x-role", b"admin");
    let requests = [vec![forwarded, role], vec![forwarded], vec![]].map(|headers| Request {
        method: Some(b"GET"),
        path: Some(b"/"),
        headers,
        ..Request::default()
    });
    let sets: &'static [PolicySet] = sets().leak();
    assert_eq!(sets.len(), 3 * 189);
    for set in sets {
        for asked in [Asked::Connection, Asked::Request] {
            // Some have a certificate, where it matters.
            let certificates: &[Option<&[u8]>] = match set.attachment().peer_from.first() {
                Some(PeerSource::Spiffe) => &[None, Some(b"spiffe://td/nobody")],
                _ => &[None],
            };
            let mut headers = false;
            let mut judge = |source: &SocketAddr, destination: &SocketAddr| {
                let mut judged = Vec::new();
                for direction in [Direction::Ingress, Direction::Egress] {
                    let connection = Connection { source: *source, destination: *destination, direction };
                    for certificate in certificates {
                        match asked {
                            Asked::Connection => judged.push(set.connection_by(&connection, *certificate)),
                            Asked::Request => {
                                let by = |it| set.request_by(&connection, *certificate, it);
                                let each: Vec<_> = requests.iter().map(by).collect();
                                headers |= each.windows(2).any(|two| two[0] != two[1]);
                                judged.extend(each);
                            }
                        }
                    }
                }
                judged
            };
            let most = |judge: &mut dyn FnMut(&SocketAddr, &SocketAddr) -> Vec<Judged<'static>>| {
                addresses.iter().map(|rest| found(addresses.iter().map(|it| judge(it, rest)))).max().unwrap()
            };
            let source = most(&mut |it, rest| judge(it, rest));
            let destination = most(&mut |it, rest| judge(rest, it));
            let found = Needs { source, destination, headers };
            assert_eq!(found, set.needs(asked), "{asked:?} {:?}", set.attachment());
        }
    }
}
