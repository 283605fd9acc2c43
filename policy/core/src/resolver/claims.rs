//! Who is there, how often, and under which number.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{IdentityId, Who};
use crate::world::NamedPort;

/// Where numbers come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Numbering {
    /// The resolver gives everybody a number who is named by the world or a policy, and takes it back with the
    /// last who needs it.
    #[default]
    Own,
    /// Somebody else gives and keeps them; see [`Resolver::set_number`](super::Resolver::set_number).
    Given,
}

/// Everybody who is named by something.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: BTreeMap<Who, Claim>,
    own: Option<Own>,
}

#[derive(Debug, Default)]
struct Claim {
    count: usize,
    ports: BTreeMap<NamedPort, usize>,
}

impl Claims {
    pub(super) fn new(numbering: Numbering) -> Self {
        let own = match numbering {
            Numbering::Own => Some(Own::default()),
            Numbering::Given => None,
        };
        Self { claims: BTreeMap::new(), own }
    }

    /// One more is this one. Returns the number to use if nobody was before and numbers are our own.
    pub(super) fn add(&mut self, who: &Who, ports: &[NamedPort]) -> Option<IdentityId> {
        let claim = self.claims.entry(who.clone()).or_default();
        claim.count += 1;
        for port in ports {
            *claim.ports.entry(port.clone()).or_default() += 1;
        }
        let first = claim.count == 1;
        self.own.as_mut().filter(|_| first)?.take(who)
    }

    /// One less is this one. Whether nobody is any more, and the number has to be given back.
    pub(super) fn remove(&mut self, who: &Who, ports: &[NamedPort]) -> bool {
        let Some(claim) = self.claims.get_mut(who) else { return false };
        claim.count = claim.count.saturating_sub(1);
        for port in ports {
            if let Some(count) = claim.ports.get_mut(port) {
                *count = count.saturating_sub(1);
            }
        }
        claim.ports.retain(|_, count| *count > 0);
        if claim.count > 0 {
            return false;
        }
        self.claims.remove(who);
        self.own.is_some()
    }

    /// Takes a number of our own back.
    pub(super) fn give_back(&mut self, who: &Who, id: IdentityId) {
        if let Some(own) = &mut self.own {
            own.pool(who).free.insert(id.0);
        }
    }

    pub(super) fn ports(&self, who: &Who) -> BTreeSet<NamedPort> {
        self.claims.get(who).into_iter().flat_map(|claim| claim.ports.keys().cloned()).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Who> {
        self.claims.keys()
    }
}

/// Numbers of our own.
#[derive(Debug)]
struct Own {
    workloads: Pool,
    prefixes: Pool,
}

impl Default for Own {
    fn default() -> Self {
        let first = IdentityId::FIRST_CIDR.0;
        Self {
            workloads: Pool { next: IdentityId::FIRST.0, end: first, free: BTreeSet::new() },
            prefixes: Pool { next: first, end: u32::MAX, free: BTreeSet::new() },
        }
    }
}

/// A range of numbers. One that was given back is used again only when all have been used.
#[derive(Debug)]
struct Pool {
    next: u32,
    end: u32,
    free: BTreeSet<u32>,
}

impl Own {
    fn pool(&mut self, who: &Who) -> &mut Pool {
        match who {
            Who::World | Who::Node(_) | Who::Workloads(_) => &mut self.workloads,
            Who::Cidr(_) => &mut self.prefixes,
        }
    }

    /// There are more numbers than memory has room for identities.
    fn take(&mut self, who: &Who) -> Option<IdentityId> {
        let pool = self.pool(who);
        if pool.next < pool.end {
            pool.next += 1;
            return Some(IdentityId(pool.next - 1));
        }
        pool.free.pop_first().map(IdentityId)
    }
}
