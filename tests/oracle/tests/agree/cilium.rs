//! Cilium's policies, of today and of 2017.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::cilium::{Item, Peers, Policy, PortEntry, Rule, Subject};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::features::{Feature, choose, of, sometimes};
use crate::items::item;
use crate::labels::{ENDPOINTS, SOURCED_NODES, selector};
use crate::names::NAMESPACES;

pub(crate) fn policy() -> BoxedStrategy<Policy> {
    choose(vec![(9, None, modern()), (1, None, legacy())])
}

fn modern() -> BoxedStrategy<Policy> {
    let specs = sometimes(15, Some(Feature::Specs), vec(rule(), 1..=2)).prop_map(Option::unwrap_or_default);
    let audit = sometimes(5, Some(Feature::Audit), Just(true)).prop_map(Option::unwrap_or_default);
    (namespace(), rule(), any::<bool>(), specs, audit)
        .prop_map(|(namespace, spec, keep, specs, audit)| {
            let mut policy = Policy {
                namespace,
                name: String::new(),
                legacy: false,
                audit,
                spec: (keep || specs.is_empty()).then_some(spec),
                specs,
            };
            let namespaced = policy.namespace.is_some();
            for rule in policy.spec.iter_mut().chain(&mut policy.specs) {
                match rule.subject {
                    // Only a cluster-wide policy may select nodes.
                    Subject::Nodes(_) if namespaced => {
                        rule.subject = Subject::Endpoints(Selector::default());
                    }
                    Subject::Nodes(_) => entries(rule).for_each(|entry| entry.http = None),
                    Subject::Endpoints(_) => {}
                }
            }
            policy
        })
        .boxed()
}

/// In 2017 there were endpoints, ports and HTTP.
fn legacy() -> BoxedStrategy<Policy> {
    (of(&NAMESPACES), rule())
        .prop_map(|(namespace, mut rule)| {
            rule =
                Rule { ingress_deny: None, egress_deny: None, deny_ingress: None, deny_egress: None, ..rule };
            if let Subject::Nodes(_) = rule.subject {
                rule.subject = Subject::Endpoints(Selector::default());
            }
            for item in rule.ingress.iter_mut().chain(&mut rule.egress).flatten() {
                if !matches!(item.peers, Some(Peers::Endpoints(_))) {
                    item.peers = None;
                }
                (item.icmps, item.authentication) = (None, None);
            }
            for entry in entries(&mut rule) {
                entry.beyond = None;
                entry.http.iter_mut().flatten().for_each(|rule| rule.header_matches.clear());
            }
            Policy {
                namespace: Some(namespace.to_owned()),
                name: String::new(),
                legacy: true,
                audit: false,
                spec: Some(not_silent(rule)),
                specs: Vec::new(),
            }
        })
        .boxed()
}

fn entries(rule: &mut Rule) -> impl Iterator<Item = &mut PortEntry> {
    let items = rule.ingress.iter_mut().chain(&mut rule.egress).flatten();
    items.flat_map(|item| item.ports.iter_mut().flatten())
}

fn namespace() -> BoxedStrategy<Option<String>> {
    prop_oneof![
        4 => Just(Some(NAMESPACES[0])),
        1 => Just(Some(NAMESPACES[1])),
        1 => Just(Some(NAMESPACES[2])),
        3 => Just(None),
    ]
    .prop_map(|namespace| namespace.map(str::to_owned))
    .boxed()
}

fn rule() -> BoxedStrategy<Rule> {
    let endpoints = prop_oneof![1 => Just(Selector::default()), 1 => selector(ENDPOINTS)];
    let subject = choose(vec![
        (20, None, endpoints.prop_map(Subject::Endpoints).boxed()),
        (1, Some(Feature::NodeSubjects), selector(SOURCED_NODES).prop_map(Subject::Nodes).boxed()),
    ]);
    let list = |direction, deny, percent| sometimes(percent, None, vec(item(direction, deny), 0..=3));
    let parts = (
        subject,
        list(Direction::Ingress, false, 80),
        list(Direction::Ingress, true, 15),
        list(Direction::Egress, false, 45),
        list(Direction::Egress, true, 12),
        sometimes(15, None, any::<bool>()),
        sometimes(15, None, any::<bool>()),
    );
    parts
        .prop_map(|(subject, ingress, ingress_deny, egress, egress_deny, deny_ingress, deny_egress)| {
            not_silent(Rule {
                subject,
                ingress,
                ingress_deny,
                egress,
                egress_deny,
                deny_ingress,
                deny_egress,
            })
        })
        .boxed()
}

/// A rule without an item is refused.
fn not_silent(mut rule: Rule) -> Rule {
    let lists = [&rule.ingress, &rule.ingress_deny, &rule.egress, &rule.egress_deny];
    if lists.into_iter().flatten().flatten().next().is_none() {
        rule.ingress = Some(vec![Item::default()]);
    }
    rule
}
