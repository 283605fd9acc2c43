//! Resolution: policies and a world in, one endpoint policy a workload out.

use std::collections::BTreeSet;

use crate::endpoint::{Action, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule};
use crate::identity::{IdentityId, Who};
use crate::labels::LabelSet;
use crate::policy::{
    Combination, Direction, Effect, Item, PeerSelector, Policy, PortRule, PortSelector, RuleId, Section,
};
use crate::selector::Selector;
use crate::world::{Identities, Workload, World};

/// The name of the rule that lets a workload's own node reach it, so that health checks work.
pub const IMPLICIT_HOST: &str = "implicit/host";

/// What `policies` say of `workload`.
pub fn resolve(
    policies: &[Policy],
    world: &World,
    identities: &Identities,
    workload: &Workload,
) -> EndpointPolicy {
    let labels = world.identity_labels(workload);
    let selecting: Vec<&Policy> = policies.iter().filter(|policy| policy.subject.matches(&labels)).collect();
    let peers = PeerResolver::new(identities, workload);
    let direction = |direction: Direction| {
        let sections = || selecting.iter().map(|policy| (policy.combination, section(policy, direction)));
        let mut rules: Vec<Rule> =
            sections().flat_map(|(combination, section)| rules(combination, section, &peers)).collect();
        let default_deny = sections().any(|(_, section)| section.default_deny);
        if direction == Direction::Ingress && default_deny {
            rules.extend(peers.implicit_host());
        }
        DirectionPolicy { default_deny, rules }
    };
    EndpointPolicy {
        name: workload.name.clone(),
        addresses: workload.addresses.clone(),
        ingress: direction(Direction::Ingress),
        egress: direction(Direction::Egress),
    }
}

fn section(policy: &Policy, direction: Direction) -> &Section {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

fn rules(combination: Combination, section: &Section, peers: &PeerResolver) -> Vec<Rule> {
    match combination {
        Combination::Union => section.items.iter().flat_map(|item| union(item, peers)).collect(),
        Combination::Gates => gates(section, peers),
    }
}

fn union(item: &Item, peers: &PeerResolver) -> Vec<Rule> {
    let peers = peers.resolve(&item.peers);
    match &item.ports {
        PortSelector::Unnamed => vec![plain(&item.id, item.effect, peers)],
        PortSelector::AnyOf(rules) => {
            rules.iter().map(|rule| on_ports(rule, item.effect, peers.clone())).collect()
        }
    }
}

/// The legacy dialect: one gate of all peers, one gate of all ports. A gate that nothing names is open,
/// and a direction whose items name neither is closed.
fn gates(section: &Section, peers: &PeerResolver) -> Vec<Rule> {
    let says_nothing =
        |item: &Item| item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new());
    let items: Vec<&Item> = section.items.iter().filter(|item| !says_nothing(item)).collect();
    let named: Vec<&Item> =
        items.iter().copied().filter(|item| item.peers != PeerSelector::Unnamed).collect();
    let peer_gate = match named.is_empty() {
        true => Peers::Any,
        false => Peers::Only(named.iter().flat_map(|item| peers.selected(&item.peers)).collect()),
    };
    let mut port_gate = items.into_iter().filter(|item| item.ports != PortSelector::Unnamed).peekable();
    if port_gate.peek().is_none() {
        return named.iter().map(|item| plain(&item.id, item.effect, peers.resolve(&item.peers))).collect();
    }
    port_gate
        .flat_map(|item| match &item.ports {
            PortSelector::Unnamed => &[],
            PortSelector::AnyOf(rules) => rules.as_slice(),
        })
        .map(|rule| on_ports(rule, Effect::Allow, peer_gate.clone()))
        .collect()
}

fn plain(id: &RuleId, effect: Effect, peers: Peers) -> Rule {
    let action = match effect {
        Effect::Allow => Action::Allow,
        Effect::Deny => Action::Deny,
    };
    Rule { id: id.clone(), peers, ports: Ports::All, action }
}

fn on_ports(rule: &PortRule, effect: Effect, peers: Peers) -> Rule {
    let action = match (effect, &rule.http) {
        (Effect::Deny, _) => Action::Deny,
        (Effect::Allow, None) => Action::Allow,
        (Effect::Allow, Some(http)) => Action::Http(http.clone()),
    };
    Rule { id: rule.id.clone(), peers, ports: Ports::Only(rule.ports.clone()), action }
}

/// Finds the identities that selectors mean, as one workload sees them.
struct PeerResolver {
    /// Labels are relative: a node is the host to its own workloads and a remote node to all others.
    candidates: Vec<(IdentityId, LabelSet)>,
    host: Option<IdentityId>,
}

impl PeerResolver {
    fn new(identities: &Identities, workload: &Workload) -> Self {
        let is_host = |who: &Who| matches!(who, Who::Node(name) if workload.node.as_ref() == Some(name));
        let candidates = identities.iter().map(|identity| {
            let labels = match &identity.who {
                Who::World => LabelSet::reserved("world"),
                Who::Node(_) if is_host(&identity.who) => LabelSet::reserved("host"),
                Who::Node(_) => LabelSet::reserved("remote-node"),
                Who::Workloads(labels) => labels.clone(),
            };
            (identity.id, labels)
        });
        Self {
            candidates: candidates.collect(),
            host: identities.iter().find(|identity| is_host(&identity.who)).map(|identity| identity.id),
        }
    }

    fn resolve(&self, selector: &PeerSelector) -> Peers {
        match selector {
            PeerSelector::Unnamed => Peers::Any,
            PeerSelector::AnyOf(_) => Peers::Only(self.selected(selector)),
        }
    }

    fn selected(&self, selector: &PeerSelector) -> BTreeSet<IdentityId> {
        let selectors: &[Selector] = match selector {
            PeerSelector::Unnamed => &[],
            PeerSelector::AnyOf(selectors) => selectors,
        };
        let selected = |labels: &LabelSet| selectors.iter().any(|selector| selector.matches(labels));
        self.candidates.iter().filter(|(_, labels)| selected(labels)).map(|(id, _)| *id).collect()
    }

    fn implicit_host(&self) -> Option<Rule> {
        let peers = Peers::Only(BTreeSet::from([self.host?]));
        Some(Rule { id: RuleId::new(IMPLICIT_HOST), peers, ports: Ports::All, action: Action::Allow })
    }
}
