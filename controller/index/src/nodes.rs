//! The nodes: what each is told, and what it has taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postern_policy_wire::{Action, Endpoint};
use postern_xds::resource::{EncodeError, Versioned};

/// One node.
#[derive(Debug, Default)]
pub(crate) struct NodeState {
    endpoints: BTreeMap<String, Arc<Versioned<Endpoint>>>,
    /// The revision that each endpoint's policy is of.
    changed: BTreeMap<String, u64>,
    acknowledged: u64,
    /// The last revision that has something for it.
    published: u64,
    /// What the proxy of the node has acknowledged.
    proxied: u64,
    /// What it refused when it acknowledged.
    refused: BTreeSet<String>,
    /// Whether an agent follows: only then is there something to wait for.
    follows: bool,
    /// The numbers that no address may have yet, and the revision whose policies name them.
    withheld: BTreeMap<u32, u64>,
    dirty: bool,
}

impl NodeState {
    /// Replaces an endpoint, or removes it. One that is as it was stays the very same value.
    pub(crate) fn set(
        &mut self,
        name: &str,
        endpoint: Option<Endpoint>,
        revision: u64,
    ) -> Result<(), EncodeError> {
        let same = self.endpoints.get(name).map(|kept| kept.value()) == endpoint.as_ref();
        if same {
            return Ok(());
        }
        self.dirty = true;
        match endpoint {
            Some(endpoint) => {
                // One that cannot be written is not there: the node keeps it closed.
                self.endpoints.remove(name);
                self.endpoints.insert(name.to_owned(), Arc::new(Versioned::new(endpoint)?));
                self.changed.insert(name.to_owned(), revision);
            }
            None => {
                self.endpoints.remove(name);
                self.changed.remove(name);
            }
        }
        Ok(())
    }

    pub(crate) fn acknowledge(&mut self, revision: u64, refused: BTreeSet<String>) {
        // Reports of several streams may cross.
        if revision >= self.acknowledged {
            self.acknowledged = revision;
            self.refused = refused;
            self.follows = true;
            let before = self.withheld.len();
            self.withheld.retain(|_, of| *of > revision);
            self.dirty |= self.withheld.len() != before;
        }
    }

    /// Something was published for it.
    pub(crate) fn published(&mut self, revision: u64) {
        self.published = revision;
    }

    /// Whether its agent has everything that was published for it, if one follows.
    pub(crate) fn is_up_to_date(&self) -> bool {
        !self.follows || self.acknowledged >= self.published
    }

    /// The proxy has taken everything up to this revision.
    pub(crate) fn acknowledge_proxy(&mut self, revision: u64) {
        self.proxied = self.proxied.max(revision);
    }

    /// The agent is gone. What it has stays in force there, and it starts over when it comes back.
    pub(crate) fn disconnected(&mut self) {
        self.follows = false;
        self.dirty |= !self.withheld.is_empty();
        self.withheld.clear();
    }

    /// Keeps new numbers from addresses until the agent has the policies that name them: it takes identities
    /// first, and a denial by label would not know them yet.
    pub(crate) fn withhold(&mut self, numbers: &BTreeSet<u32>, revision: u64) {
        if self.follows {
            self.withheld.extend(numbers.iter().map(|number| (*number, revision)));
        }
    }

    /// The numbers that no address may have yet.
    pub(crate) fn withheld(&self) -> BTreeSet<u32> {
        self.withheld.keys().copied().collect()
    }

    /// Whether the node has taken the endpoint as it is now: its agent, and where there are HTTP rules its proxy.
    pub(crate) fn enforces(&self, name: &str) -> bool {
        let Some(revision) = self.changed.get(name) else { return false };
        let needs_no_proxy = || self.endpoints.get(name).is_some_and(|endpoint| !has_http(endpoint.value()));
        *revision <= self.acknowledged
            && !self.refused.contains(name)
            && (*revision <= self.proxied || needs_no_proxy())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.endpoints.contains_key(name)
    }

    pub(crate) fn endpoints(&self) -> &BTreeMap<String, Arc<Versioned<Endpoint>>> {
        &self.endpoints
    }

    /// Whether anything has changed since this was last asked.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }
}

fn has_http(endpoint: &Endpoint) -> bool {
    let rules = endpoint.ingress.rules.iter().chain(&endpoint.egress.rules);
    rules.into_iter().any(|rule| matches!(rule.action, Action::Http(_)))
}
