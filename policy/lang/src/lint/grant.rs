//! Grants: the rules of a policy, one peer list and one port list each, whatever the dialect.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_policy_core::http::HttpRule;
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, PeerSelector, Policy, PortRule, PortSelector, RuleId,
};
use postern_policy_core::port::PortSpec;

/// Both directions.
pub(super) const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// One rule of a policy.
#[derive(Clone)]
pub(super) struct Grant<'p> {
    pub(super) policy: &'p Policy,
    pub(super) direction: Direction,
    /// The `toPorts` entry, or the item where that names no ports.
    pub(super) id: &'p RuleId,
    pub(super) item: &'p Item,
    pub(super) peers: Peers<'p>,
    pub(super) ports: Ports<'p>,
    pub(super) http: Option<&'p Arc<[HttpRule]>>,
    /// Whether no data plane enforces it.
    pub(super) quarantined: bool,
}

#[derive(Clone)]
pub(super) enum Peers<'p> {
    Anyone,
    These(Arc<[&'p PeerTerm]>),
}

#[derive(Clone, Copy)]
pub(super) enum Ports<'p> {
    All,
    These(&'p [PortSpec]),
}

impl Grant<'_> {
    pub(super) fn effect(&self) -> Effect {
        self.item.effect
    }

    /// Whether it lets connections pass without a look at HTTP.
    pub(super) fn is_plain_allow(&self) -> bool {
        self.effect() == Effect::Allow && self.http.is_none() && !self.quarantined
    }

    /// Whether it speaks of nobody or of no port.
    pub(super) fn is_void(&self) -> bool {
        let nobody = matches!(&self.peers, Peers::These(terms) if terms.is_empty());
        nobody || matches!(self.ports, Ports::These([]))
    }
}

/// The rules of one direction of a policy.
pub(super) fn grants(policy: &Policy, direction: Direction) -> Vec<Grant<'_>> {
    let items = &policy.section(direction).items;
    if policy.combination != Combination::Gates {
        return items.iter().flat_map(|item| of_item(policy, direction, item, peers(item))).collect();
    }
    // The peers of all items are one gate; a port rule holds for whoever passes it.
    let named: Vec<&PeerTerm> = items.iter().flat_map(terms).collect();
    let gate = match items.iter().all(|item| item.peers == PeerSelector::Unnamed) {
        true => Peers::Anyone,
        false => Peers::These(named.into()),
    };
    let with_ports = |item: &&Item| matches!(&item.ports, PortSelector::AnyOf(rules) if !rules.is_empty());
    if !items.iter().any(|item| with_ports(&item)) {
        return items.iter().flat_map(|item| of_item(policy, direction, item, peers(item))).collect();
    }
    items.iter().filter(with_ports).flat_map(|item| of_item(policy, direction, item, gate.clone())).collect()
}

fn terms(item: &Item) -> &[PeerTerm] {
    match &item.peers {
        PeerSelector::Unnamed => &[],
        PeerSelector::AnyOf(terms) => terms,
    }
}

fn peers(item: &Item) -> Peers<'_> {
    match &item.peers {
        PeerSelector::Unnamed => Peers::Anyone,
        PeerSelector::AnyOf(terms) => Peers::These(terms.iter().collect()),
    }
}

fn of_item<'p>(policy: &'p Policy, direction: Direction, item: &'p Item, peers: Peers<'p>) -> Vec<Grant<'p>> {
    let whole = Grant {
        policy,
        direction,
        id: &item.id,
        item,
        peers,
        ports: Ports::All,
        http: None,
        quarantined: item.unenforced.is_some(),
    };
    let of_rule = |rule: &'p PortRule| Grant {
        id: &rule.id,
        ports: Ports::These(&rule.ports),
        http: rule.http.as_ref(),
        quarantined: whole.quarantined || rule.unenforced.is_some(),
        ..whole.clone()
    };
    match &item.ports {
        PortSelector::Unnamed => vec![whole],
        PortSelector::AnyOf(rules) => rules.iter().map(of_rule).collect(),
    }
}

/// Grants by the namespace of their subjects, so that policies of different ones are not compared.
pub(super) struct ByNamespace<'g, 'p> {
    namespaced: BTreeMap<&'p str, Vec<&'g Grant<'p>>>,
    others: Vec<&'g Grant<'p>>,
}

impl<'g, 'p> ByNamespace<'g, 'p> {
    pub(super) fn new(grants: impl Iterator<Item = &'g Grant<'p>>) -> Self {
        let mut sorted = Self { namespaced: BTreeMap::new(), others: Vec::new() };
        for grant in grants {
            match super::cover::own_namespace(grant.policy) {
                Some(namespace) => sorted.namespaced.entry(namespace).or_default().push(grant),
                None => sorted.others.push(grant),
            }
        }
        sorted
    }

    /// Those whose subjects may be the same as those of a policy.
    pub(super) fn beside(&self, policy: &Policy) -> impl Iterator<Item = &'g Grant<'p>> {
        let namespace = super::cover::own_namespace(policy);
        let near = namespace.and_then(|namespace| self.namespaced.get(namespace));
        near.into_iter().flatten().chain(&self.others).copied()
    }
}
