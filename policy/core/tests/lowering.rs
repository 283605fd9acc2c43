//! Whatever a policy says of a connection, its lowered form says too.

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow, Peers, Ports, Rule, Tier};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::lower::{EntryVerdict, lower_direction};
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};
use proptest::prelude::*;

const PROTOCOLS: [Protocol; 5] =
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp, Protocol::IcmpV6];

fn identity() -> impl Strategy<Value = IdentityId> {
    (1..6_u32).prop_map(IdentityId)
}

/// Few ports, close together and at the ends, so that ranges overlap.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![0..20_u16, 78..90_u16, Just(u16::MAX), Just(u16::MAX - 1), any::<u16>()]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    proptest::sample::select(PROTOCOLS.as_slice())
}

fn range() -> impl Strategy<Value = PortRange> {
    let of = prop_oneof![Just(ProtocolMatch::Any), protocol().prop_map(ProtocolMatch::Only)];
    (of, port(), port(), any::<bool>()).prop_map(|(protocol, a, b, one)| PortRange {
        protocol,
        first: a.min(b),
        last: if one { a.min(b) } else { a.max(b) },
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![
        Just(Peers::Any),
        proptest::collection::btree_set(identity(), 0..4).prop_map(|ids| Peers::Only(Arc::new(ids)))
    ];
    let ports = prop_oneof![Just(Ports::All), proptest::collection::vec(range(), 0..4).prop_map(Ports::Only)];
    let normal = prop_oneof![
        Just(Action::Allow),
        Just(Action::Deny),
        Just(Action::Http(Arc::from([]))),
        Just(Action::Quarantined(Arc::from("why"))),
    ];
    let ordered = prop_oneof![Just(Action::Allow), Just(Action::Deny), Just(Action::Pass)];
    let tiers = prop_oneof![Just(Tier::Admin), Just(Tier::Default), Just(Tier::Baseline)];
    let action = prop_oneof![
        3 => normal.prop_map(|action| (Tier::Normal, action)),
        1 => (tiers, ordered),
    ];
    (peers, ports, action).prop_map(|(peers, ports, (tier, action))| Rule {
        id: RuleId::new("r"),
        tier,
        peers,
        ports,
        action,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn lowering_changes_no_verdict(
        default_deny: bool,
        rules in proptest::collection::vec(rule().prop_map(Arc::new), 0..6),
        flows in proptest::collection::vec((identity(), protocol(), port()), 20),
    ) {
        let mut rules = rules;
        rules.sort_by_key(|rule| rule.tier);
        let policy = DirectionPolicy { default_deny, rules, ..DirectionPolicy::default() };
        let lowered = lower_direction(&policy);
        for (peer, protocol, port) in flows {
            let flow = Flow { peer, protocol, port };
            prop_assert_eq!(lowered.verdict(&flow), policy.connection(&flow).verdict, "{:?}\n{:#?}", flow, lowered);
        }
        let keys: BTreeSet<_> =
            lowered.entries.iter().map(|e| (e.peer, e.protocol, e.port, e.port_bits)).collect();
        prop_assert_eq!(keys.len(), lowered.entries.len());
    }
}

#[test]
fn a_redirect_knows_whether_all_of_it_is_allowed_anyway() {
    let only = |id| Peers::Only(Arc::new(BTreeSet::from([IdentityId(id)])));
    let rule = |peers, ports, action| {
        Arc::new(Rule { id: RuleId::new("r"), tier: Tier::Normal, peers, ports, action })
    };
    let port_80 =
        || Ports::Only(vec![PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 }]);
    let policy = DirectionPolicy {
        default_deny: true,
        rules: vec![
            rule(only(300), port_80(), Action::Http(Arc::from([]))),
            rule(only(301), port_80(), Action::Http(Arc::from([]))),
            rule(only(301), Ports::All, Action::Allow),
        ],
        ..DirectionPolicy::default()
    };
    let lowered = lower_direction(&policy);
    let redirect = |id| {
        let of_peer = lowered.entries.iter().find(|e| e.peer == Some(IdentityId(id)) && e.port == 80);
        of_peer.map(|entry| entry.verdict)
    };
    assert_eq!(redirect(300), Some(EntryVerdict::Redirect { plain: false }));
    assert_eq!(redirect(301), Some(EntryVerdict::Redirect { plain: true }));
}

#[test]
fn without_default_deny_http_rules_hold_nothing_back() {
    let rule = Rule {
        id: RuleId::new("r"),
        tier: Tier::Normal,
        peers: Peers::Any,
        ports: Ports::All,
        action: Action::Http(Arc::from([])),
    };
    for default_deny in [false, true] {
        let lowered = lower_direction(&DirectionPolicy {
            default_deny,
            rules: vec![rule.clone().into()],
            ..DirectionPolicy::default()
        });
        let verdicts: Vec<EntryVerdict> = lowered.entries.iter().map(|entry| entry.verdict).collect();
        assert_eq!(verdicts, [EntryVerdict::Redirect { plain: !default_deny }]);
    }
}
