//! Ends: who may talk to whom, those together that every policy treats alike.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::identity::{IdentityId, Who};
use postern_policy_core::policy::{Direction, Policy, RuleId};
use postern_policy_core::resolver::{Numbering, Resolver};
use postern_policy_core::world::{Identities, World};

use crate::address::Addresses;
use crate::compare::Side;
use crate::profile::Versions;
use crate::report::End;

/// Ends with the same identity, the same policies and the same families of addresses.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) identity: IdentityId,
    pub(crate) members: Vec<End>,
    /// The policies for traffic to them and from them, by number: none where this cluster does not enforce any.
    pub(crate) policies: Option<Policies>,
    pub(crate) families: Families,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Policies {
    pub(crate) ingress: usize,
    pub(crate) egress: usize,
}

impl Policies {
    pub(crate) fn of(self, direction: Direction) -> usize {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

/// Which families of addresses someone has; both where none is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn of(addresses: &[IpAddr]) -> Self {
        let known = !addresses.is_empty();
        Self {
            v4: !known || addresses.iter().any(|address| address.to_canonical().is_ipv4()),
            v6: !known || addresses.iter().any(|address| address.to_canonical().is_ipv6()),
        }
    }

    /// Whether two of them can talk.
    pub(crate) fn meet(self, other: Self) -> bool {
        (self.v4 && other.v4) || (self.v6 && other.v6)
    }
}

/// Every distinct policy of a direction, in both versions.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    list: Vec<Versions<DirectionPolicy>>,
    by_names: HashMap<Versions<Vec<String>>, Vec<usize>>,
}

impl Interned {
    pub(crate) fn get(&self, number: usize) -> Option<&Versions<DirectionPolicy>> {
        self.list.get(number)
    }

    fn number(&mut self, versions: Versions<DirectionPolicy>) -> usize {
        // What is equal has rules of the same names: the rest is compared only then.
        let names = versions.each_ref().map(|policy| {
            policy.rules.iter().map(|rule| rule.id.as_str().to_owned()).collect::<Vec<String>>()
        });
        let candidates = self.by_names.entry(names).or_default();
        let known = candidates.iter().find(|known| self.list.get(**known) == Some(&versions));
        if let Some(known) = known {
            return *known;
        }
        let number = self.list.len();
        candidates.push(number);
        self.list.push(versions);
        number
    }
}

/// Everyone there is.
pub(crate) fn groups(
    sides: &Versions<Side<'_>>,
    world: &World,
    identities: &Identities,
    interned: &mut Interned,
) -> Vec<Group> {
    let mut workloads: BTreeMap<(IdentityId, Option<Policies>, Families), Vec<End>> = BTreeMap::new();
    let mut resolvers = sides.each_ref().map(|side| resolver(side, identities));
    for workload in world.workloads() {
        let who = Who::Workloads(world.identity_labels(workload));
        let Some(identity) = identities.id(&who) else { continue };
        let policies = match resolvers.each_mut().map(|side| side.endpoint(&workload.name)) {
            [Some(old), Some(new)] if workload.cluster.is_none() => Some(Policies {
                ingress: interned.number([old.ingress, new.ingress]),
                egress: interned.number([old.egress, new.egress]),
            }),
            _ => None,
        };
        let families = Families::of(&workload.addresses);
        workloads
            .entry((identity, policies, families))
            .or_default()
            .push(End::Workload(workload.name.clone()));
    }
    let workloads = workloads.into_iter().map(|((identity, policies, families), members)| Group {
        identity,
        members,
        policies,
        families,
    });
    workloads.chain(others(world, identities)).collect()
}

/// What resolves one side, with the numbers of both.
fn resolver(side: &Side<'_>, identities: &Identities) -> Resolver {
    let mut resolver = Resolver::new(Numbering::Given);
    resolver.set_world(side.world);
    for identity in identities.iter() {
        resolver.set_number(&identity.who, Some(identity.id));
    }
    let mut objects: BTreeMap<&RuleId, Vec<Policy>> = BTreeMap::new();
    for policy in side.policies {
        objects.entry(&policy.id).or_default().push(policy.clone());
    }
    for (object, policies) in objects {
        resolver.set_policies(object, policies);
    }
    resolver
}

/// Nodes, and what is outside the cluster.
fn others(world: &World, identities: &Identities) -> Vec<Group> {
    let addresses = Addresses::new(identities);
    let outside = |net, address: IpAddr| (End::Outside { net, address }, Families::of(&[address]));
    let mut others = Vec::new();
    for identity in identities.iter() {
        let ends = match &identity.who {
            Who::Workloads(_) => Vec::new(),
            Who::Node(name) => {
                let known = world.node(name).map_or([].as_slice(), |node| &node.addresses);
                vec![(End::Node(name.clone()), Families::of(known))]
            }
            // A prefix that longer ones cover, or that is the address of a workload, is nobody's.
            Who::Cidr(net) => {
                let address = addresses.within(*net, identity.id);
                address.map(|address| outside(Some(*net), address)).into_iter().collect()
            }
            Who::World => addresses.of_world().into_iter().map(|address| outside(None, address)).collect(),
        };
        others.extend(ends.into_iter().map(|(end, families)| Group {
            identity: identity.id,
            members: vec![end],
            policies: None,
            families,
        }));
    }
    others
}
