//! Values for tests.

use std::sync::Arc;

use postern_policy_wire::{DirectionPolicy, Endpoint, Identity};

use crate::snapshot::NodeSnapshot;

pub(crate) fn identity(id: u32, address: &str) -> Identity {
    Identity {
        id,
        labels: vec![format!("k8s:id=app{id}")],
        addresses: vec![address.parse().unwrap()],
        spiffe: Vec::new(),
    }
}

pub(crate) fn endpoint(name: &str, default_deny: bool) -> Endpoint {
    let policy = DirectionPolicy { default_deny, profiles: Vec::new(), rules: Vec::new(), audit: None };
    let addresses = vec!["10.0.0.1".parse().unwrap()];
    Endpoint { name: name.to_owned(), addresses, ingress: policy.clone(), egress: policy }
}

pub(crate) fn snapshot(
    revision: u64,
    identities: &[(u32, &str)],
    endpoints: &[(&str, bool)],
) -> Arc<NodeSnapshot> {
    let identities = identities.iter().map(|(id, address)| identity(*id, address));
    let endpoints = endpoints.iter().map(|(name, default_deny)| endpoint(name, *default_deny));
    Arc::new(NodeSnapshot::new(revision, identities, [], endpoints).unwrap())
}
