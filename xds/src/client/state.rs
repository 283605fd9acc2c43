//! What a client has, and what it says to a response.

use std::collections::HashMap;
use std::fmt;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use postern_policy_wire::{Endpoint, Identity};

use super::held::{Held, Undo};
use crate::resource::ResourceType;
use crate::service::Service;

/// Everything that is to be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Who has which address.
    pub identities: Vec<Identity>,
    /// All services.
    pub services: Vec<Service>,
    /// The node's workloads and their policies.
    pub endpoints: Vec<Endpoint>,
}

/// Why a snapshot cannot be put in force. What was in force before still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, as the server is to report it.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

/// What is subscribed to.
pub(super) const TYPES: [ResourceType; 3] =
    [ResourceType::Identity, ResourceType::Service, ResourceType::Endpoint];

#[derive(Debug, Default)]
pub(super) struct State {
    identities: Held<Identity>,
    services: Held<Service>,
    endpoints: Held<Endpoint>,
}

/// What a response has replaced.
#[derive(Debug)]
pub(super) enum Taken {
    Identities(Undo<Identity>),
    Services(Undo<Service>),
    Endpoints(Undo<Endpoint>),
}

impl State {
    /// What it has of a type, to be said when it connects again.
    pub(super) fn versions(&self, resource_type: ResourceType) -> HashMap<String, String> {
        match resource_type {
            ResourceType::Identity => self.identities.versions(),
            ResourceType::Service => self.services.versions(),
            ResourceType::Endpoint => self.endpoints.versions(),
            ResourceType::ExtensionConfig => HashMap::new(),
        }
    }

    /// Takes a response, or says what is wrong with it and has changed nothing.
    pub(super) fn take(&mut self, response: DeltaDiscoveryResponse) -> Result<Taken, String> {
        match ResourceType::from_type_url(&response.type_url) {
            Some(ResourceType::Identity) => self.identities.take(response).map(Taken::Identities),
            Some(ResourceType::Service) => self.services.take(response).map(Taken::Services),
            Some(ResourceType::Endpoint) => self.endpoints.take(response).map(Taken::Endpoints),
            Some(ResourceType::ExtensionConfig) | None => {
                Err(format!("{:?} was not subscribed to", response.type_url))
            }
        }
    }

    /// As it was before the response.
    pub(super) fn restore(&mut self, taken: Taken) {
        match taken {
            Taken::Identities(undo) => self.identities.restore(undo),
            Taken::Services(undo) => self.services.restore(undo),
            Taken::Endpoints(undo) => self.endpoints.restore(undo),
        }
    }

    /// What is to be in force, once every type has been heard of: before that, a part would be taken for all.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let complete =
            self.identities.is_answered() && self.services.is_answered() && self.endpoints.is_answered();
        complete.then(|| Snapshot {
            identities: self.identities.values(),
            services: self.services.values(),
            endpoints: self.endpoints.values(),
        })
    }
}

#[cfg(test)]
mod tests;
