//! What one node is to have, as plain data. Somebody else makes it and publishes it through a `watch`.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_policy_wire::{API_VERSION, Attach, Bundle, Endpoint, Identity, Report};

use crate::resource::{EncodeError, Resource, ResourceType, Versioned};
use crate::service::Service;

/// Everything that the clients of one node are to have. Cloning it copies the list of the node's endpoints and
/// nothing else; snapshots that share a map are known to be equal in it without a look inside.
#[derive(Debug, Clone, Default)]
pub struct NodeSnapshot {
    /// Counts up with every snapshot of this node. 0 says that nothing is known yet: nothing is sent.
    pub revision: u64,
    /// All identities, by number.
    pub identities: Arc<BTreeMap<u32, Arc<Versioned<Identity>>>>,
    /// All services, by name.
    pub services: Arc<BTreeMap<String, Arc<Versioned<Service>>>>,
    /// The endpoints of this node, by name.
    pub endpoints: BTreeMap<String, Arc<Versioned<Endpoint>>>,
}

impl NodeSnapshot {
    /// A snapshot of these values.
    pub fn new(
        revision: u64,
        identities: impl IntoIterator<Item = Identity>,
        services: impl IntoIterator<Item = Service>,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> Result<NodeSnapshot, EncodeError> {
        let identity = |value: Identity| Ok((value.id, Arc::new(Versioned::new(value)?)));
        let service = |value: Service| Ok((value.name.clone(), Arc::new(Versioned::new(value)?)));
        let endpoint = |value: Endpoint| Ok((value.name.clone(), Arc::new(Versioned::new(value)?)));
        Ok(NodeSnapshot {
            revision,
            identities: Arc::new(identities.into_iter().map(identity).collect::<Result<_, _>>()?),
            services: Arc::new(services.into_iter().map(service).collect::<Result<_, _>>()?),
            endpoints: endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?,
        })
    }

    /// The bundle for a filter that serves all workloads of the node.
    pub fn bundle(&self) -> Bundle {
        self.bundle_of(Attach::default(), self.endpoints.values())
    }

    /// The bundle for a filter that serves one workload, if the node has it.
    pub fn bundle_for(&self, workload: &str) -> Option<Bundle> {
        let endpoint = self.endpoints.get(workload)?;
        let attach = Attach { endpoint: Some(workload.to_owned()), ..Attach::default() };
        Some(self.bundle_of(attach, [endpoint]))
    }

    fn bundle_of<'a>(
        &self,
        attach: Attach,
        endpoints: impl IntoIterator<Item = &'a Arc<Versioned<Endpoint>>>,
    ) -> Bundle {
        Bundle {
            api_version: API_VERSION.to_owned(),
            versions: None,
            report: Report::default(),
            attach,
            identities: self.identities.values().map(|identity| identity.value().clone()).collect(),
            endpoints: endpoints.into_iter().map(|endpoint| endpoint.value().clone()).collect(),
        }
    }

    /// The resources of a type. The configuration of filters differs by client and is not among them.
    pub(crate) fn resources(&self, resource_type: ResourceType) -> Box<dyn Iterator<Item = &Resource> + '_> {
        match resource_type {
            ResourceType::Identity => Box::new(self.identities.values().map(|it| it.resource())),
            ResourceType::Service => Box::new(self.services.values().map(|it| it.resource())),
            ResourceType::Endpoint => Box::new(self.endpoints.values().map(|it| it.resource())),
            ResourceType::ExtensionConfig => Box::new(std::iter::empty()),
        }
    }

    /// The resource of this type and name.
    pub(crate) fn resource(&self, resource_type: ResourceType, name: &str) -> Option<&Resource> {
        match resource_type {
            ResourceType::Identity => {
                let found = self.identities.get(&name.parse().ok()?)?.resource();
                // "+7" and "007" are numbers, but not the name of 7.
                (*found.name == *name).then_some(found)
            }
            ResourceType::Service => self.services.get(name).map(|it| it.resource()),
            ResourceType::Endpoint => self.endpoints.get(name).map(|it| it.resource()),
            ResourceType::ExtensionConfig => None,
        }
    }

    /// Whether both share all resources of a type: then nothing of it needs to be compared.
    pub(crate) fn shares(&self, other: &NodeSnapshot, resource_type: ResourceType) -> bool {
        match resource_type {
            ResourceType::Identity => Arc::ptr_eq(&self.identities, &other.identities),
            ResourceType::Service => Arc::ptr_eq(&self.services, &other.services),
            ResourceType::Endpoint => {
                self.endpoints.len() == other.endpoints.len()
                    && self.endpoints.values().zip(other.endpoints.values()).all(|(a, b)| Arc::ptr_eq(a, b))
            }
            // Made of the other two.
            ResourceType::ExtensionConfig => {
                self.shares(other, ResourceType::Identity) && self.shares(other, ResourceType::Endpoint)
            }
        }
    }
}

#[cfg(test)]
mod tests;
