//! Whatever two small sets of policies say of any sample, the difference says too; and every witness is real.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{EndpointPolicy, Flow};
use postern_policy_core::explain::{self, Question, explain};
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::identity::AddressTable;
use postern_policy_core::labels::LabelKey;
use postern_policy_core::path::Profile;
use postern_policy_core::pattern::Pattern;
use postern_policy_core::peer::{CidrTerm, Entity, PeerTerm};
use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, Mode, OrderedTier, PeerSelector, Policy, PortRule, PortSelector,
    RuleId, Section, Subject,
};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};
use postern_policy_core::resolve::resolve;
use postern_policy_core::selector::{Requirement, Selector};
use postern_policy_core::world::{Node, Workload, WorkloadName, World};
use postern_policy_diff::report::{self, Between, End, PortSpan, Report, What};
use postern_policy_diff::{Side, diff};
use proptest::prelude::*;
use proptest::sample::select;

const WORKLOADS: [&str; 4] = ["a", "b", "c", "d"];
const OUTSIDE: [&str; 3] = ["10.1.0.5", "10.2.0.1", "8.8.8.8"];
const PORTS: [u16; 6] = [1, 79, 80, 81, 443, 65535];
const PATHS: [&str; 16] = [
    "/", "/a", "/b", "/ab", "/a/b", "/c", "/a?b", "//a", "/%00", "*", "/a;b", "/a/../b", "/a.", "/%61",
    "/a%c0", "h://h/a",
];

fn world(profiles: &[(PortRange, Profile)]) -> World {
    let mut world = World::default();
    for (place, name) in WORKLOADS.iter().enumerate() {
        // The last one looks like the first.
        let id = if place == 3 { "a" } else { name };
        world
            .add_workload(Workload {
                name: WorkloadName::parse(name),
                labels: BTreeMap::from([("id".to_owned(), id.to_owned())]),
                addresses: vec![format!("10.0.0.{}", place + 1).parse().unwrap()],
                node: Some("n".to_owned()),
                service_account: None,
                cluster: None,
                ports: Vec::new(),
                profiles: profiles.to_vec(),
            })
            .unwrap();
    }
    let addresses = vec!["192.168.0.1".parse().unwrap()];
    world.add_node(Node { name: "n".to_owned(), addresses, labels: BTreeMap::new() }).unwrap();
    world
}

fn labelled(id: &str) -> Selector {
    Selector { requirements: vec![Requirement::equals(LabelKey::parse("id"), id)] }
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![Just(Selector::default()), select(&WORKLOADS[..3]).prop_map(labelled)]
}

fn peers() -> impl Strategy<Value = PeerSelector> {
    let cidr = |net: &str, except: &[&str]| {
        let except = except.iter().map(|net| net.parse().unwrap()).collect();
        PeerTerm::Cidr(CidrTerm { net: net.parse().unwrap(), except })
    };
    let term = prop_oneof![
        3 => selector().prop_map(PeerTerm::Endpoints),
        1 => Just(cidr("10.0.0.0/8", &[])),
        1 => Just(cidr("10.0.0.0/8", &["10.1.0.0/16"])),
        1 => Just(cidr("0.0.0.0/0", &[])),
        1 => select(vec![Entity::World, Entity::Cluster, Entity::Host, Entity::All]).prop_map(PeerTerm::Entity),
    ];
    prop_oneof![
        1 => Just(PeerSelector::Unnamed),
        3 => proptest::collection::vec(term, 0..3).prop_map(PeerSelector::AnyOf),
    ]
}

fn pattern(from: &'static [&'static str]) -> impl Strategy<Value = Option<Pattern>> {
    proptest::option::of(select(from).prop_map(|source| Pattern::parse(source).unwrap()))
}

fn http() -> impl Strategy<Value = HttpRule> {
    const METHODS: &[&str] = &["GET", "POST", "GET|POST", ".*", "CONNECT"];
    const PATHS: &[&str] =
        &["/a", "/b", "/a.*", "/(a|b)", "/.*", ".*", "/a/?b?", "/[ab]+", "/+a", "/a[^/]*", r"h:.*", r"/a\."];
    const HOSTS: &[&str] = &["h", "h|i", ".*"];
    let header = (select(vec!["x", "X", "y"]), proptest::option::of(select(vec!["1", "2"])));
    let headers = proptest::collection::vec(header, 0..2);
    (pattern(METHODS), pattern(PATHS), pattern(HOSTS), headers).prop_map(|(method, path, host, headers)| {
        let headers = headers.into_iter().map(|(name, value)| HeaderMatch {
            name: name.to_owned(),
            value: value.map(|value| value.as_bytes().to_vec()),
        });
        let wanted = HttpMatch { method, path, host, headers: headers.collect() };
        HttpRule { id: RuleId::new("h"), matcher: HttpMatcher::Active(wanted) }
    })
}

fn ports() -> impl Strategy<Value = PortSelector> {
    let protocol = select(vec![
        ProtocolMatch::Any,
        ProtocolMatch::Only(Protocol::Tcp),
        ProtocolMatch::Only(Protocol::Tcp),
        ProtocolMatch::Only(Protocol::Udp),
        ProtocolMatch::Only(Protocol::Icmp),
    ]);
    let spec = (protocol, select(&PORTS[..]), select(&PORTS[..])).prop_map(|(protocol, one, two)| {
        let (first, last) = match protocol {
            ProtocolMatch::Only(Protocol::Icmp) => (8, 8),
            _ => (one.min(two), one.max(two)),
        };
        PortSpec::Numbers(PortRange { protocol, first, last })
    });
    let web = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 };
    let http = proptest::collection::vec(http(), 0..4).prop_map(move |http| PortRule {
        id: RuleId::new("p"),
        ports: vec![PortSpec::Numbers(web)],
        http: Some(Arc::from(http)),
        unenforced: None,
    });
    let plain = proptest::collection::vec(spec, 1..3).prop_map(|ports| PortRule {
        id: RuleId::new("p"),
        ports,
        http: None,
        unenforced: None,
    });
    let rule = prop_oneof![2 => http, 1 => plain];
    prop_oneof![
        1 => Just(PortSelector::Unnamed),
        4 => proptest::collection::vec(rule, 1..3).prop_map(PortSelector::AnyOf),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    (peers(), ports(), any::<bool>()).prop_map(|(peers, ports, allow)| {
        let http =
            matches!(&ports, PortSelector::AnyOf(rules) if rules.iter().any(|rule| rule.http.is_some()));
        let effect = if allow || http { Effect::Allow } else { Effect::Deny };
        Item { id: RuleId::new("i"), effect, peers, ports, unenforced: None }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let section = || (any::<bool>(), proptest::collection::vec(item(), 0..3));
    let ordered = |tier, priority| Combination::Ordered { tier, priority };
    let combination = prop_oneof![
        4 => Just(Combination::Union),
        1 => (0..2_u16).prop_map(move |priority| ordered(OrderedTier::Admin, priority)),
        1 => Just(ordered(OrderedTier::Baseline, 0)),
    ];
    (selector(), combination, section(), section()).prop_map(|(subject, combination, ingress, egress)| {
        let plain = matches!(combination, Combination::Union);
        let section = |(default_deny, mut items): (bool, Vec<Item>)| {
            if !plain {
                // Only plain items are ordered.
                items.retain(|item| !matches!(&item.ports, PortSelector::AnyOf(rules) if rules.iter().any(|r| r.http.is_some())));
            }
            Section { default_deny: default_deny && plain, items }
        };
        let (ingress, egress) = (section(ingress), section(egress));
        let subject = Subject::Endpoints(subject);
        Policy { id: RuleId::new("p"), subject, combination, mode: Mode::Enforced, ingress, egress }
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Workload(&'static str),
    Outside(&'static str),
}

fn everyone() -> Vec<Who> {
    WORKLOADS.into_iter().map(Who::Workload).chain(OUTSIDE.into_iter().map(Who::Outside)).collect()
}

impl Who {
    fn address(self) -> IpAddr {
        match self {
            Self::Workload(name) => {
                let place = WORKLOADS.iter().position(|known| *known == name).unwrap();
                format!("10.0.0.{}", place + 1).parse().unwrap()
            }
            Self::Outside(address) => address.parse().unwrap(),
        }
    }

    fn is(self, end: &End) -> bool {
        match (self, end) {
            (Self::Workload(name), End::Workload(known)) => *known == WorkloadName::parse(name),
            (Self::Outside(address), End::Outside { net, .. }) => {
                let address: IpAddr = address.parse().unwrap();
                net.is_none_or(|net| net.contains(&address))
            }
            _ => false,
        }
    }
}

fn verdict(policies: &[Policy], world: &World, question: &Question<'_>) -> Verdict {
    explain(policies, world, question).unwrap().enforced.verdict
}

/// One side, resolved once for many samples.
struct Resolved {
    endpoints: BTreeMap<&'static str, EndpointPolicy>,
    identities: AddressTable,
}

impl Resolved {
    fn new(policies: &[Policy], world: &World) -> Self {
        let identities = world.identities(policies).unwrap();
        let endpoint = |name: &'static str| {
            let workload = world.workload(&WorkloadName::parse(name)).unwrap();
            (name, resolve(policies, world, &identities, workload))
        };
        Self { endpoints: WORKLOADS.map(endpoint).into(), identities: identities.table() }
    }

    fn verdict(
        &self,
        (from, to): (Who, Who),
        protocol: Protocol,
        port: u16,
        request: Option<&Request<'_>>,
    ) -> Verdict {
        let side = |subject: Who, peer: Who, direction: Direction| {
            let Who::Workload(name) = subject else { return Verdict::Allow };
            let flow = Flow { peer: self.identities.identity(peer.address()), protocol, port };
            let policy = self.endpoints[name].direction(direction);
            match request {
                Some(request) => policy.request(&flow, request).verdict,
                None => policy.connection(&flow).verdict,
            }
        };
        let verdicts = [side(from, to, Direction::Egress), side(to, from, Direction::Ingress)];
        [Verdict::Deny, Verdict::Redirect]
            .into_iter()
            .find(|v| verdicts.contains(v))
            .unwrap_or(Verdict::Allow)
    }
}

fn requests() -> Vec<Request<'static>> {
    let mut requests = Vec::new();
    for method in ["GET", "POST", "CONNECT"] {
        for path in PATHS.into_iter().map(Some).chain((method == "CONNECT").then_some(None)) {
            for host in [None, Some("h"), Some("j")] {
                for x in [None, Some("1"), Some("3")] {
                    requests.push(Request {
                        method: Some(method.as_bytes()),
                        path: path.map(str::as_bytes),
                        authority: host.map(str::as_bytes),
                        headers: x.map(|x: &str| (&b"x"[..], x.as_bytes())).into_iter().collect(),
                    });
                }
            }
        }
    }
    requests
}

/// Whether some change speaks of this, or it could not be decided.
fn is_told(
    report: &Report,
    effect: report::Effect,
    from: Who,
    to: Who,
    protocol: Protocol,
    port: u16,
) -> bool {
    let told = |between: &[Between], ports: &[PortSpan]| {
        between.iter().any(|b| b.from.iter().any(|end| from.is(end)) && b.to.iter().any(|end| to.is(end)))
            && ports.iter().any(|span| span.protocol == protocol && (span.first..=span.last).contains(&port))
    };
    report.changes.iter().any(|change| change.effect == effect && told(&change.between, &change.ports))
        || report.undecided.iter().any(|open| open.effect == effect && told(&open.between, &open.ports))
}

fn witnesses_are_real(report: &Report, old: Side<'_>, new: Side<'_>) {
    for change in &report.changes {
        let witness = &change.witness;
        let end = |end: &End| match end {
            End::Workload(name) => explain::End::Workload(name.clone()),
            End::Node(_) => explain::End::Address("192.168.0.1".parse().unwrap()),
            End::Outside { address, .. } => explain::End::Address(*address),
        };
        let question = Question {
            from: end(&witness.from),
            to: end(&witness.to),
            protocol: witness.protocol,
            port: explain::PortRef::Number(witness.port),
            request: witness.request.as_ref().map(report::Sample::request),
        };
        let verdicts = [old, new].map(|side| verdict(side.policies, side.world, &question));
        let [less, more] = match change.effect {
            report::Effect::Gained => verdicts,
            report::Effect::Lost => [verdicts[1], verdicts[0]],
        };
        match change.what {
            What::Requests { .. } => assert_eq!([less, more], [Verdict::Deny, Verdict::Allow], "{change:#?}"),
            What::Everything => assert!(less == Verdict::Deny && more != Verdict::Deny, "{change:#?}"),
            What::NotHttp => assert!(more != Verdict::Deny, "{change:#?}"),
        }
    }
}

/// Every sample, by brute force. A redirected connection is judged by its requests.
fn samples_agree(report: &Report, old: Side<'_>, new: Side<'_>, requests: &[Request<'_>]) {
    let [old, new] = [old, new].map(|side| Resolved::new(side.policies, side.world));
    let told = |from, to, protocol, port, verdicts: [Verdict; 2]| {
        let effect = match verdicts {
            [Verdict::Deny, Verdict::Allow] => report::Effect::Gained,
            [Verdict::Allow, Verdict::Deny] => report::Effect::Lost,
            _ => return,
        };
        assert!(
            is_told(report, effect, from, to, protocol, port),
            "{effect:?} {from:?} {to:?} {protocol} {port} is missing: {report:#?}"
        );
    };
    for from in everyone() {
        for to in everyone() {
            if from == to || matches!((from, to), (Who::Outside(_), Who::Outside(_))) {
                continue;
            }
            let ask = |protocol, port, request: Option<&Request<'_>>| {
                [&old, &new].map(|side| side.verdict((from, to), protocol, port, request))
            };
            let others = [(Protocol::Icmp, 8), (Protocol::Icmp, 9), (Protocol::Gre, 0)];
            let ported = [Protocol::Tcp, Protocol::Udp].into_iter().flat_map(|p| PORTS.map(|port| (p, port)));
            for (protocol, port) in ported.chain(others) {
                let verdicts = ask(protocol, port, None);
                if !verdicts.contains(&Verdict::Redirect) {
                    told(from, to, protocol, port, verdicts);
                    continue;
                }
                for request in requests {
                    told(from, to, protocol, port, ask(protocol, port, Some(request)));
                }
            }
        }
    }
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    proptest::collection::vec(policy(), 0..4).prop_map(|mut policies| {
        for (place, policy) in policies.iter_mut().enumerate() {
            policy.id = RuleId::new(format!("p{place}"));
        }
        policies
    })
}

fn profiles() -> impl Strategy<Value = Vec<(PortRange, Profile)>> {
    let range = |last| PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last };
    let profile = (select(&Profile::EVERY[..]), select(vec![80, 443]));
    proptest::option::of(profile.prop_map(move |(profile, last)| (range(last), profile)))
        .prop_map(|entry| entry.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn brute_force_agrees(
        old in policies(),
        edit in policies(),
        keep in 0..4_usize,
        profiles in [profiles(), profiles()],
    ) {
        let [old_world, new_world] = profiles.each_ref().map(|profiles| world(profiles));
        // Sets that share some policies differ in interesting ways.
        let mut new: Vec<Policy> = old.iter().take(keep).cloned().collect();
        new.extend(edit.into_iter().skip(new.len()));
        let old = Side { policies: &old, world: &old_world };
        let new = Side { policies: &new, world: &new_world };
        let report = diff(old, new).unwrap();
        witnesses_are_real(&report, old, new);
        for open in &report.undecided {
            prop_assert!(
                matches!(open.why, report::Open::Ambiguous(_) | report::Open::Read(_)),
                "{:#?}", open
            );
        }
        samples_agree(&report, old, new, &requests());
    }

    #[test]
    fn profiles_that_change_alone_are_proven_or_shown(
        policies in policies(),
        profiles in [profiles(), profiles()],
    ) {
        let [old_world, new_world] = profiles.each_ref().map(|profiles| world(profiles));
        let old = Side { policies: &policies, world: &old_world };
        let new = Side { policies: &policies, world: &new_world };
        let report = diff(old, new).unwrap();
        witnesses_are_real(&report, old, new);
        samples_agree(&report, old, new, &requests());
    }

    #[test]
    fn a_set_does_not_differ_from_itself_in_another_order(old in policies(), profiles in profiles()) {
        let world = world(&profiles);
        let mut new = old.clone();
        new.reverse();
        let report = diff(Side { policies: &old, world: &world }, Side { policies: &new, world: &world }).unwrap();
        prop_assert!(report.is_unchanged(), "{:#?}", report);
    }
}
