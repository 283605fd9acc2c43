//! Resolution: policies and a world in, one endpoint policy a workload out.

mod ports;
pub(crate) mod terms;
pub(crate) mod universe;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::endpoint::{Action, Audit, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule, Tier};
use crate::identity::Who;
use crate::labels::LabelSet;
use crate::peer::{Entity, PeerTerm};
use crate::policy::{
    Combination, Direction, Effect, Item, Mode, OrderedTier, PeerSelector, Policy, PortRule, PortSelector,
    RuleId, Section, Subject,
};
use crate::world::{Identities, Workload, World};

pub(crate) use ports::names_any;
use terms::select;
use universe::Universe;

/// The name of the rule that lets a workload's own node reach it, so that health checks work.
pub const IMPLICIT_HOST: &str = "implicit/host";

/// What the enforced ones of `policies` say of `workload`. A workload of another cluster is somebody else's.
///
/// For many workloads, or for a world that changes, a [`Resolver`](crate::resolver::Resolver) says the same
/// and remembers what they have in common.
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
    let universe = Universe::of(world, identities);
    let peers = |item: &Item| {
        item_peers(item, |terms| {
            select(terms, item.effect, &universe, world).seen_from(workload.node.as_deref())
        })
    };
    let rules = |policy: &Policy, direction| {
        let peers: Vec<Peers> = policy.section(direction).items.iter().map(peers).collect();
        Side { direction, workload, universe: &universe }.rules(policy, &peers)
    };
    let selecting = policies.filter(|policy| policy.selects(workload, &labels)).map(|policy| Selecting {
        policy,
        ingress: rules(policy, Direction::Ingress).into(),
        egress: rules(policy, Direction::Egress).into(),
    });
    compose(workload, selecting.collect(), &universe)
}

/// Who the peers of an item are, where `select` knows who its terms select.
pub(crate) fn item_peers(
    item: &Item,
    select: impl FnOnce(&[PeerTerm]) -> Arc<BTreeSet<crate::identity::IdentityId>>,
) -> Peers {
    match named_terms(item) {
        None => Peers::Any,
        Some(terms) => Peers::Only(select(terms)),
    }
}

/// The terms of an item that does not speak of everybody.
pub(crate) fn named_terms(item: &Item) -> Option<&[PeerTerm]> {
    match &item.peers {
        PeerSelector::Unnamed => None,
        PeerSelector::AnyOf(terms) if terms.contains(&PeerTerm::Entity(Entity::All)) => None,
        PeerSelector::AnyOf(terms) => Some(terms),
    }
}

/// A policy that selects the subject, and its rules as [`Side::rules`] says them for it.
pub(crate) struct Selecting<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) ingress: Cow<'p, [Arc<Rule>]>,
    pub(crate) egress: Cow<'p, [Arc<Rule>]>,
}

impl Selecting<'_> {
    fn rules(&self, direction: Direction) -> &[Arc<Rule>] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// What these policies together say of a workload. In the normal tier their order is kept.
pub(crate) fn compose(
    workload: &Workload,
    mut selecting: Vec<Selecting<'_>>,
    universe: &Universe,
) -> EndpointPolicy {
    // A stable sort: the policies of one tier that are not ordered stay as they came.
    selecting.sort_by(|a, b| order(a.policy).cmp(&order(b.policy)));
    let direction = |direction| Side { direction, workload, universe }.policy(&selecting);
    EndpointPolicy {
        name: workload.name.clone(),
        addresses: workload.addresses.clone(),
        ingress: direction(Direction::Ingress),
        egress: direction(Direction::Egress),
        audit: Audit::default(),
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

/// One direction of one workload.
pub(crate) struct Side<'w> {
    pub(crate) direction: Direction,
    pub(crate) workload: &'w Workload,
    pub(crate) universe: &'w Universe,
}

impl Side<'_> {
    fn policy(&self, selecting: &[Selecting<'_>]) -> DirectionPolicy {
        let default_deny =
            selecting.iter().any(|selecting| selecting.policy.section(self.direction).default_deny);
        let count = selecting.iter().map(|selecting| selecting.rules(self.direction).len());
        // With room for the one that no policy says.
        let mut rules: Vec<Arc<Rule>> = Vec::with_capacity(count.sum::<usize>().saturating_add(1));
        selecting.iter().for_each(|selecting| rules.extend_from_slice(selecting.rules(self.direction)));
        if self.direction == Direction::Ingress && default_deny {
            let place = rules.partition_point(|rule| rule.tier <= Tier::Default);
            if let Some(host) = self.implicit_host() {
                rules.insert(place, Arc::new(host));
            }
        }
        // How paths are read is known of the workload itself; its peers' servers are read strictly.
        let profiles = match self.direction {
            Direction::Ingress => self.workload.profiles.clone(),
            Direction::Egress => Vec::new(),
        };
        DirectionPolicy { default_deny, rules, profiles }
    }

    /// What a policy that selects the workload says, where these are the peers of its items.
    pub(crate) fn rules(&self, policy: &Policy, peers: &[Peers]) -> Vec<Arc<Rule>> {
        let mut rules = Vec::new();
        let items = policy.section(self.direction).items.iter().zip(peers);
        match policy.combination {
            Combination::Union | Combination::Ordered { .. } => {
                items.for_each(|(item, peers)| self.union(item, peers, &mut rules));
            }
            Combination::Gates => self.gates(items, &mut rules),
        }
        let (tier, ..) = order(policy);
        rules.into_iter().map(|rule| Arc::new(Rule { tier, ..rule })).collect()
    }

    fn union(&self, item: &Item, peers: &Peers, rules: &mut Vec<Rule>) {
        let unenforced = item.unenforced.as_ref();
        match &item.ports {
            PortSelector::Unnamed => {
                let action = action(item.effect, None, unenforced);
                let (id, peers) = (item.id.clone(), peers.clone());
                rules.push(Rule { id, tier: Tier::Normal, peers, ports: Ports::All, action });
            }
            PortSelector::AnyOf(ports) => {
                for rule in ports {
                    self.on_ports(rule, item.effect, unenforced, peers, rules);
                }
            }
        }
    }

    /// The legacy dialect: one gate of all peers, one gate of all ports. A gate that nothing names is open,
    /// and a direction whose items name neither is closed.
    fn gates<'p>(&self, items: impl Iterator<Item = (&'p Item, &'p Peers)>, rules: &mut Vec<Rule>) {
        let says_nothing = |item: &Item| {
            item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new())
        };
        let items: Vec<(&Item, &Peers)> = items.filter(|(item, _)| !says_nothing(item)).collect();
        let named = || items.iter().filter(|(item, _)| item.peers != PeerSelector::Unnamed);
        let mut port_gate = items.iter().filter(|(item, _)| item.ports != PortSelector::Unnamed).peekable();
        if port_gate.peek().is_none() {
            for (item, peers) in named() {
                self.union(item, peers, rules);
            }
            return;
        }
        let peer_gate = match named().next() {
            None => Peers::Any,
            Some(_) => either(named().map(|(_, peers)| *peers)),
        };
        for (item, _) in port_gate {
            let PortSelector::AnyOf(ports) = &item.ports else { continue };
            for rule in ports {
                self.on_ports(rule, Effect::Allow, None, &peer_gate, rules);
            }
        }
    }

    fn on_ports(
        &self,
        rule: &PortRule,
        effect: Effect,
        unenforced: Option<&Arc<str>>,
        peers: &Peers,
        rules: &mut Vec<Rule>,
    ) {
        let action = action(effect, rule.http.as_ref(), unenforced.or(rule.unenforced.as_ref()));
        let say = |peers, ports| {
            let (id, ports, action) = (rule.id.clone(), Ports::Only(ports), action.clone());
            rules.push(Rule { id, tier: Tier::Normal, peers, ports, action });
        };
        ports::resolve(&rule.ports, peers, self.direction, self.workload, self.universe, say);
    }

    fn implicit_host(&self) -> Option<Rule> {
        let host = self.universe.id(&Who::Node(self.workload.node.clone()?))?;
        Some(Rule {
            id: RuleId::new(IMPLICIT_HOST),
            tier: Tier::Default,
            peers: Peers::Only(Arc::new(BTreeSet::from([host]))),
            ports: Ports::All,
            action: Action::Allow,
        })
    }
}

/// All of these peers together.
fn either<'p>(sets: impl Iterator<Item = &'p Peers>) -> Peers {
    let mut all = BTreeSet::new();
    for peers in sets {
        match peers {
            Peers::Any => return Peers::Any,
            Peers::Only(ids) => all.extend(ids.iter().copied()),
        }
    }
    Peers::Only(Arc::new(all))
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
