//! Resolution: policies and a world in, one endpoint policy a workload out.

mod peers;
mod ports;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::endpoint::{Action, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule, Tier};
use crate::labels::LabelSet;
use crate::peer::PeerTerm;
use crate::policy::{
    Combination, Direction, Effect, Item, Mode, OrderedTier, PeerSelector, Policy, PortRule, PortSelector,
    RuleId, Section, Subject,
};
use crate::world::{Identities, Workload, World};

use peers::PeerResolver;

/// The name of the rule that lets a workload's own node reach it, so that health checks work.
pub const IMPLICIT_HOST: &str = "implicit/host";

/// What the enforced ones of `policies` say of `workload`. A workload of another cluster is somebody else's.
pub fn resolve(
    policies: &[Policy],
    world: &World,
    identities: &Identities,
    workload: &Workload,
) -> EndpointPolicy {
    let enforced = policies.iter().filter(|policy| policy.mode == Mode::Enforced);
    resolve_selected(enforced, world, identities, workload)
}

/// What `policies` would say of `workload` if those that are only audited were enforced too; nothing where
/// no such policy selects it.
pub fn resolve_audited(
    policies: &[Policy],
    world: &World,
    identities: &Identities,
    workload: &Workload,
) -> Option<EndpointPolicy> {
    let labels = world.identity_labels(workload);
    let audits = |policy: &&Policy| policy.mode == Mode::Audit && policy.selects(workload, &labels);
    policies.iter().find(audits)?;
    Some(resolve_selected(policies.iter(), world, identities, workload))
}

fn resolve_selected<'p>(
    policies: impl Iterator<Item = &'p Policy>,
    world: &World,
    identities: &Identities,
    workload: &Workload,
) -> EndpointPolicy {
    let labels = world.identity_labels(workload);
    let mut selecting: Vec<&Policy> = policies.filter(|policy| policy.selects(workload, &labels)).collect();
    // A stable sort: the policies of one tier that are not ordered stay as they came.
    selecting.sort_by(|a, b| order(a).cmp(&order(b)));
    let peers = PeerResolver::new(world, identities, workload);
    let direction = |direction: Direction| direction_policy(&selecting, direction, &peers);
    EndpointPolicy {
        name: workload.name.clone(),
        addresses: workload.addresses.clone(),
        ingress: direction(Direction::Ingress),
        egress: direction(Direction::Egress),
    }
}

/// Where a policy's rules stand among those of others: tier, priority, name.
fn order(policy: &Policy) -> (Tier, u16, Option<&RuleId>) {
    match policy.combination {
        Combination::Union | Combination::Gates => (Tier::Normal, 0, None),
        Combination::Ordered { tier, priority } => (tier.into(), priority, Some(&policy.id)),
    }
}

impl From<OrderedTier> for Tier {
    fn from(tier: OrderedTier) -> Self {
        match tier {
            OrderedTier::Admin => Self::Admin,
            OrderedTier::Baseline => Self::Baseline,
        }
    }
}

impl Policy {
    /// Whether a workload with these labels of its identity is one of its subjects.
    pub fn selects(&self, workload: &Workload, labels: &LabelSet) -> bool {
        match &self.subject {
            Subject::Endpoints(selector) => workload.cluster.is_none() && selector.matches(labels),
            Subject::Nodes(_) => false,
        }
    }

    /// What it says of one direction.
    pub fn section(&self, direction: Direction) -> &Section {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

fn direction_policy(
    selecting: &[&Policy],
    direction: Direction,
    peers: &PeerResolver<'_>,
) -> DirectionPolicy {
    let default_deny = selecting.iter().any(|policy| policy.section(direction).default_deny);
    let mut rules: Vec<Rule> = Vec::new();
    for policy in selecting {
        let section = policy.section(direction);
        let said = match policy.combination {
            Combination::Union | Combination::Ordered { .. } => {
                section.items.iter().flat_map(|item| union(item, direction, peers)).collect()
            }
            Combination::Gates => gates(section, direction, peers),
        };
        let (tier, ..) = order(policy);
        rules.extend(said.into_iter().map(|rule| Rule { tier, ..rule }));
    }
    if direction == Direction::Ingress && default_deny {
        let place = rules.partition_point(|rule| rule.tier <= Tier::Default);
        if let Some(host) = peers.implicit_host() {
            rules.insert(place, host);
        }
    }
    DirectionPolicy { default_deny, rules }
}

fn union(item: &Item, direction: Direction, peers: &PeerResolver<'_>) -> Vec<Rule> {
    let resolved = peers.resolve(item);
    let unenforced = item.unenforced.as_ref();
    match &item.ports {
        PortSelector::Unnamed => {
            let action = action(item.effect, None, unenforced);
            vec![Rule { id: item.id.clone(), tier: Tier::Normal, peers: resolved, ports: Ports::All, action }]
        }
        PortSelector::AnyOf(rules) => rules
            .iter()
            .flat_map(|rule| on_ports(rule, item.effect, unenforced, &resolved, direction, peers))
            .collect(),
    }
}

/// The legacy dialect: one gate of all peers, one gate of all ports. A gate that nothing names is open,
/// and a direction whose items name neither is closed.
fn gates(section: &Section, direction: Direction, peers: &PeerResolver<'_>) -> Vec<Rule> {
    let says_nothing =
        |item: &Item| item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new());
    let items: Vec<&Item> = section.items.iter().filter(|item| !says_nothing(item)).collect();
    let named: Vec<&Item> =
        items.iter().copied().filter(|item| item.peers != PeerSelector::Unnamed).collect();
    let terms = |item: &Item| -> Vec<PeerTerm> {
        match &item.peers {
            PeerSelector::Unnamed => Vec::new(),
            PeerSelector::AnyOf(terms) => terms.clone(),
        }
    };
    let peer_gate = match named.is_empty() {
        true => Peers::Any,
        false => {
            let selected: BTreeSet<_> =
                named.iter().flat_map(|item| peers.selected(&terms(item), item.effect)).collect();
            Peers::Only(Arc::new(selected))
        }
    };
    let mut port_gate = items.into_iter().filter(|item| item.ports != PortSelector::Unnamed).peekable();
    if port_gate.peek().is_none() {
        return named.iter().flat_map(|item| union(item, direction, peers)).collect();
    }
    port_gate
        .flat_map(|item| match &item.ports {
            PortSelector::Unnamed => &[],
            PortSelector::AnyOf(rules) => rules.as_slice(),
        })
        .flat_map(|rule| on_ports(rule, Effect::Allow, None, &peer_gate, direction, peers))
        .collect()
}

fn on_ports(
    rule: &PortRule,
    effect: Effect,
    unenforced: Option<&Arc<str>>,
    resolved: &Peers,
    direction: Direction,
    peers: &PeerResolver<'_>,
) -> Vec<Rule> {
    let action = action(effect, rule.http.as_ref(), unenforced.or(rule.unenforced.as_ref()));
    let split = ports::resolve(&rule.ports, resolved, direction, peers);
    let rule = |(peers, ports)| Rule {
        id: rule.id.clone(),
        tier: Tier::Normal,
        peers,
        ports: Ports::Only(ports),
        action: action.clone(),
    };
    split.into_iter().map(rule).collect()
}

fn action(
    effect: Effect,
    http: Option<&Arc<[crate::http::HttpRule]>>,
    unenforced: Option<&Arc<str>>,
) -> Action {
    match (effect, unenforced, http) {
        (Effect::Deny, _, _) => Action::Deny,
        (Effect::Pass, _, _) => Action::Pass,
        (Effect::Allow, Some(why), _) => Action::Quarantined(why.clone()),
        (Effect::Allow, None, None) => Action::Allow,
        (Effect::Allow, None, Some(http)) => Action::Http(http.clone()),
    }
}
