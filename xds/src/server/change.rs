//! One response's worth of change.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3 as discovery;

use crate::resource::{Resource, ResourceType};

/// The name of a resource.
pub(super) type Name = Arc<str>;
/// The version of a resource, or that there is none of that name.
pub(super) type Presence = Option<Arc<str>>;

/// What a client that takes it will have anew, and have no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) upserts: Vec<Resource>,
    pub(super) removals: Vec<Name>,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removals.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.upserts.len() + self.removals.len()
    }

    /// What the client will have of each name.
    pub(super) fn outcome(&self) -> impl Iterator<Item = (&Name, Presence)> {
        let upserts = self.upserts.iter().map(|it| (&it.name, Some(Arc::clone(&it.version))));
        upserts.chain(self.removals.iter().map(|name| (name, None)))
    }

    /// Keeps of the change what concerns names that `keep` says so of.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Name, &Presence) -> bool) {
        self.upserts.retain(|it| keep(&it.name, &Some(Arc::clone(&it.version))));
        self.removals.retain(|name| keep(name, &None));
    }

    /// Whether this is that very change.
    pub(super) fn leads_to(&self, outcome: &BTreeMap<Name, Presence>) -> bool {
        self.len() == outcome.len()
            && self.outcome().all(|(name, presence)| outcome.get(name) == Some(&presence))
    }

    pub(super) fn response(
        &self,
        resource_type: ResourceType,
        revision: u64,
        nonce: &str,
    ) -> discovery::DeltaDiscoveryResponse {
        let resource = |it: &Resource| discovery::Resource {
            name: it.name.to_string(),
            version: it.version.to_string(),
            resource: Some(it.to_any(resource_type)),
            ..discovery::Resource::default()
        };
        discovery::DeltaDiscoveryResponse {
            system_version_info: revision.to_string(),
            type_url: resource_type.type_url().to_owned(),
            nonce: nonce.to_owned(),
            resources: self.upserts.iter().map(resource).collect(),
            removed_resources: self.removals.iter().map(|name| String::from(&**name)).collect(),
            ..discovery::DeltaDiscoveryResponse::default()
        }
    }
}
