//! Whose each address is. One that two claim is nobody's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use postern_policy_core::world::WorkloadName;

/// Who claims an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Node(String),
    Pod(WorkloadName),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Pod(name) => write!(f, "pod {name}"),
        }
    }
}

/// The claims.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    claims: BTreeMap<IpAddr, BTreeSet<Owner>>,
}

/// What a change of claims did to others.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// The pods that share an address with the owner, or did.
    pub(crate) neighbours: BTreeSet<WorkloadName>,
    /// The addresses that the owner now shares and did not before.
    pub(crate) contested: Vec<IpAddr>,
}

impl Addresses {
    /// Replaces what an owner claims.
    pub(crate) fn claim(&mut self, owner: &Owner, before: &[IpAddr], now: &[IpAddr]) -> Effect {
        let mut effect = Effect::default();
        for address in before.iter().filter(|address| !now.contains(address)) {
            let Some(owners) = self.claims.get_mut(address) else { continue };
            owners.remove(owner);
            effect.neighbours.extend(owners.iter().filter_map(pod));
            if owners.is_empty() {
                self.claims.remove(address);
            }
        }
        for address in now.iter().filter(|address| !before.contains(address)) {
            let owners = self.claims.entry(*address).or_default();
            effect.neighbours.extend(owners.iter().filter_map(pod));
            if !owners.is_empty() {
                effect.contested.push(*address);
            }
            owners.insert(owner.clone());
        }
        effect
    }

    /// Whether more than one claims the address.
    pub(crate) fn is_contested(&self, address: &IpAddr) -> bool {
        self.claims.get(address).is_some_and(|owners| owners.len() > 1)
    }

    /// Those of `addresses` that are nobody else's.
    pub(crate) fn undisputed(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        addresses.iter().copied().filter(|address| !self.is_contested(address)).collect()
    }

    /// Every address and its one owner, or none where it is contested.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, Option<&Owner>)> {
        self.claims.iter().map(|(address, owners)| match owners.len() {
            1 => (*address, owners.first()),
            _ => (*address, None),
        })
    }

    /// Who claims an address.
    pub(crate) fn owners(&self, address: &IpAddr) -> impl Iterator<Item = &Owner> {
        self.claims.get(address).into_iter().flatten()
    }
}

fn pod(owner: &Owner) -> Option<WorkloadName> {
    match owner {
        Owner::Pod(name) => Some(name.clone()),
        Owner::Node(_) => None,
    }
}
