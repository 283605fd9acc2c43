//! The resolver: policies and a world that change, and what follows for each workload.
//!
//! It says what [`resolve`](crate::resolve::resolve) says, with the same code, and remembers what workloads have
//! in common: which policies select which labels, and whom the peers of items select. A change looks only at
//! what it could matter to; [`Resolver::take_changed`] names the workloads that it did matter to, and
//! [`Resolver::endpoint`] puts the parts together.

mod change;
mod claims;
mod policies;
mod selections;
mod slab;
mod subjects;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::endpoint::EndpointPolicy;
use crate::identity::{IdentityId, Who};
use crate::labels::LabelSet;
use crate::policy::{Direction, Policy, RuleId};
use crate::resolve::universe::{Peer, Universe};
use crate::resolve::{Selecting, Side, compose};
use crate::world::{Identities, WorkloadName, World, WorldError};

use claims::Claims;
pub use claims::Numbering;
use policies::{Loaded, Policies, PolicyId};
use selections::{Selections, Services};
use subjects::{SubjectId, Subjects};

/// Policies and a world, and what follows from them.
#[derive(Debug)]
pub struct Resolver {
    world: World,
    claims: Claims,
    universe: Universe,
    policies: Policies,
    selections: Selections,
    subjects: Subjects,
    workloads: BTreeMap<WorkloadName, Placed>,
    /// Who has each address.
    owners: BTreeMap<IpAddr, BTreeSet<Owner>>,
    /// The prefixes that parts of the world name.
    named: HashMap<Naming, BTreeSet<IpNet>>,
    dirty: Dirty,
}

/// A workload's labels, and the subjects it is one of: none if it is of another cluster.
#[derive(Debug)]
struct Placed {
    labels: Arc<LabelSet>,
    subject: Option<SubjectId>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Node(String),
    Workload(WorkloadName),
}

/// What names prefixes, besides policies.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Naming {
    Service(WorkloadName),
    CidrGroup(String),
    ApiServers,
}

/// What has to be looked at again.
#[derive(Debug, Default)]
struct Dirty {
    endpoints: BTreeSet<WorkloadName>,
    policies: BTreeSet<PolicyId>,
    /// Nodes that have another number: those of their own workloads.
    nodes: BTreeSet<String>,
    /// Which ports have names.
    ports: bool,
    /// What stands behind services.
    services: Services,
    /// Who has which address.
    addresses: bool,
}

impl Resolver {
    /// No policies, and a world in which nothing is.
    pub fn new(numbering: Numbering) -> Self {
        let mut universe = Universe::default();
        let world = World::default();
        universe.insert(IdentityId::WORLD, Peer::new(&Who::World, &world, BTreeSet::new()));
        Self {
            world,
            claims: Claims::new(numbering),
            universe,
            policies: Policies::default(),
            selections: Selections::default(),
            subjects: Subjects::default(),
            workloads: BTreeMap::new(),
            owners: BTreeMap::new(),
            named: HashMap::new(),
            dirty: Dirty::default(),
        }
    }

    /// The world as it is.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Every policy, in the order of the names of their objects.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.in_order()
    }

    /// The policies that an object holds.
    pub fn policies_of<'a>(&'a self, object: &RuleId) -> impl Iterator<Item = &'a Policy> {
        self.policies.of(object)
    }

    /// The objects whose policies select a workload, audited ones among them.
    pub fn selecting(&self, workload: &WorkloadName) -> BTreeSet<&RuleId> {
        let subject = self.workloads.get(workload).and_then(|placed| placed.subject);
        let policies = subject.into_iter().flat_map(|subject| self.subjects.policies(subject));
        policies.filter_map(|id| self.policies.get(id)).map(|loaded| &loaded.place.0).collect()
    }

    /// Everybody who needs a number: each workload's labels, each node, each prefix that is named. The world has
    /// its own.
    pub fn claimed(&self) -> impl Iterator<Item = &Who> {
        self.claims.iter()
    }

    /// Somebody's number.
    pub fn number(&self, who: &Who) -> Option<IdentityId> {
        self.universe.id(who)
    }

    /// Everybody with a number, and whose each address is; an error if one has two owners.
    pub fn identities(&self) -> Result<Identities, WorldError> {
        let mut addresses = Vec::new();
        for (address, owners) in &self.owners {
            let mut owners = owners.iter();
            if let (Some(first), Some(second)) = (owners.next(), owners.next()) {
                let (first, second) = (first.to_string(), second.to_string());
                return Err(WorldError::SharedAddress { address: *address, first, second });
            }
            addresses.extend(self.owner_ids(*address).into_iter().map(|id| (*address, id)));
        }
        let numbers = self.universe.ids().map(|(who, id)| (who.clone(), id));
        Ok(Identities::numbered(numbers, addresses))
    }

    /// The workloads of which another thing may be said than when this was last asked; some may be gone.
    pub fn take_changed(&mut self) -> BTreeSet<WorkloadName> {
        self.settle();
        if std::mem::take(&mut self.dirty.ports) {
            let naming = self.policies.iter().filter(|(_, loaded)| loaded.names_ports_of_peers());
            self.dirty.policies.extend(naming.map(|(id, _)| id));
        }
        let mut changed = std::mem::take(&mut self.dirty.endpoints);
        let policies = std::mem::take(&mut self.dirty.policies);
        changed.extend(self.subjects.members_of(policies).cloned());
        let nodes = std::mem::take(&mut self.dirty.nodes);
        if !nodes.is_empty() {
            let on_these =
                self.world.workloads().filter(|it| it.node.as_ref().is_some_and(|n| nodes.contains(n)));
            changed.extend(on_these.map(|workload| workload.name.clone()));
        }
        changed
    }

    /// What the enforced policies say of a workload; nothing of one that does not exist.
    pub fn endpoint(&mut self, name: &WorkloadName) -> Option<EndpointPolicy> {
        self.composed(name, |loaded| !loaded.audited())
    }

    /// What all policies would say of a workload if those that are only audited were enforced too; nothing
    /// where no such policy selects it.
    pub fn audited(&mut self, name: &WorkloadName) -> Option<EndpointPolicy> {
        let subject = self.workloads.get(name)?.subject?;
        let audited = |id| self.policies.get(id).is_some_and(Loaded::audited);
        if !self.subjects.policies(subject).any(audited) {
            return None;
        }
        self.composed(name, |_| true)
    }

    fn composed(&mut self, name: &WorkloadName, wanted: impl Fn(&Loaded) -> bool) -> Option<EndpointPolicy> {
        self.settle();
        let workload = self.world.workload(name)?;
        let subject = self.workloads.get(name)?.subject;
        let policies = &self.policies;
        let place = |id| policies.get(id).map(|loaded| &loaded.place);
        let ordered = subject.map(|subject| self.subjects.in_order(subject, place)).unwrap_or_default();
        let loaded = ordered.iter().filter_map(|id| policies.get(*id)).filter(|loaded| wanted(loaded));
        let selections = &mut self.selections;
        let side = |direction| Side { direction, workload, universe: &self.universe };
        let selecting = loaded.map(|loaded| Selecting {
            policy: &loaded.policy,
            ingress: loaded.rules(&side(Direction::Ingress), selections),
            egress: loaded.rules(&side(Direction::Egress), selections),
        });
        Some(compose(workload, selecting.collect(), &self.universe))
    }

    /// Makes what is stale anew.
    fn settle(&mut self) {
        // Unless somebody asks, what has changed stays to be looked at.
        if self.selections.speak_of_networks() && std::mem::take(&mut self.dirty.addresses) {
            self.own_all();
            self.selections.networks_changed();
        }
        if self.selections.speak_of_services() {
            let services = std::mem::take(&mut self.dirty.services);
            self.own_backends(&services);
            self.selections.services_changed(&services);
        }
        let changed = self.selections.settle(&self.universe, &self.world);
        changed.iter().for_each(|id| self.policies.selects_otherwise(*id));
        self.dirty.policies.extend(changed);
    }

    /// Says whose the backends of services are.
    fn own_backends(&mut self, services: &Services) {
        if matches!(services, Services::Some(names) if names.is_empty()) {
            return;
        }
        if self.selections.speak_of_networks() {
            return self.own_all();
        }
        // What else is owned is forgotten here.
        self.dirty.addresses = true;
        let backends = self.world.all_backends();
        let owned = backends.filter(|address| self.owners.contains_key(address));
        let owners = owned.map(|address| (address, self.owner_ids(address))).collect();
        self.universe.set_owners(owners);
    }

    /// Says whose every address is.
    fn own_all(&mut self) {
        let owners = self.owners.keys().map(|address| (*address, self.owner_ids(*address))).collect();
        self.universe.set_owners(owners);
    }

    fn owner_ids(&self, address: IpAddr) -> BTreeSet<IdentityId> {
        let owners = self.owners.get(&address).into_iter().flatten();
        let id = |owner: &Owner| match owner {
            Owner::Node(name) => self.universe.id(&Who::Node(name.clone())),
            Owner::Workload(name) => {
                let labels = &self.workloads.get(name)?.labels;
                self.universe.id(&Who::Workloads((**labels).clone()))
            }
        };
        owners.filter_map(id).collect()
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Workload(name) => write!(f, "workload {name}"),
        }
    }
}
