//! The one task that owns the index: what was seen and what nodes acknowledge goes in, one after the other.

use std::collections::HashMap;
use std::convert::Infallible;

use k8s_openapi::api::core::v1::ObjectReference;
use postern_controller_index::{Changes, Event, Index, Kind, ObjectKey, ObjectRef, PolicyKind, Refused};
use postern_xds::resource::ResourceType;
use postern_xds::server::{self as xds, ClientKind, Report};
use tokio::sync::mpsc;

use crate::events::{Events, Notice};
use crate::metrics::Metrics;

/// How many events are taken at a time; what follows from them is published once.
const BATCH: usize = 1024;

/// The owner of the index.
pub(crate) struct Writer {
    pub(crate) index: Index,
    pub(crate) seen: mpsc::Receiver<Event>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// How many streams the agent of each node has: when it comes back, the new one may be there before the old is gone.
    pub(crate) agents: HashMap<String, usize>,
}

impl Writer {
    pub(crate) async fn run(mut self) -> Infallible {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.seen.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        std::future::pending::<()>().await;
                    }
                    let changes = self.index.apply(batch.drain(..));
                    self.tell(changes);
                }
                Some(report) = self.reports.recv() => self.hear(report),
            }
        }
    }

    fn tell(&self, changes: Changes) {
        if let Some(revision) = changes.revision {
            tracing::debug!(revision, "published");
        }
        for error in &changes.failed {
            tracing::error!(%error, "left out");
        }
        for Refused { object, message } in changes.refused {
            match object.kind {
                // These have a status, and whoever writes that knows whether it is news.
                Kind::Policy(PolicyKind::Cnp | PolicyKind::Ccnp | PolicyKind::ClusterNetworkPolicy) => {
                    tracing::warn!(%object, message, "refused");
                }
                _ => self.events.send(Notice::refused(reference(&object), &message)),
            }
        }
    }

    fn hear(&mut self, report: Report) {
        let Report { node, kind, event, .. } = report;
        match event {
            xds::Event::Connected => {
                self.metrics.clients.of(kind).inc();
                if kind == ClientKind::Node {
                    *self.agents.entry(node.clone()).or_default() += 1;
                }
                tracing::info!(node, %kind, "client connected");
            }
            xds::Event::Disconnected => {
                self.metrics.clients.of(kind).dec();
                if kind == ClientKind::Node {
                    self.agent_gone(&node);
                }
                tracing::info!(node, %kind, "client gone; what it has stays in force there");
            }
            xds::Event::Acked { revision } => {
                self.metrics.acks.inc();
                match kind {
                    ClientKind::Node => self.index.acknowledge(&node, revision),
                    ClientKind::Proxy | ClientKind::Envoy => self.index.acknowledge_proxy(&node, revision),
                }
            }
            xds::Event::AckedExcept { revision, refused } => {
                self.metrics.acks.inc();
                let whole = |resource: ResourceType| {
                    matches!(resource, ResourceType::Identity | ResourceType::Service)
                };
                // Without the identities that it should have, a node enforces none of its policies as it should.
                if kind == ClientKind::Node && !refused.iter().any(|(resource, _)| whole(*resource)) {
                    let names = refused.into_iter().map(|(_, name)| name);
                    self.index.acknowledge_except(&node, revision, names);
                }
            }
            xds::Event::Refused { resource_type, resources, detail, .. } => {
                self.metrics.nacks.inc();
                let about = refused_object(&node, resource_type, &resources);
                let note =
                    format!("{kind} on {node} refused {resource_type}: {detail}; it keeps what it had");
                self.events.send(Notice::refused_by_node(reference(&about), &note));
            }
        }
    }
}

impl Writer {
    fn agent_gone(&mut self, node: &str) {
        let left = self.agents.get_mut(node).map_or(0, |streams| {
            *streams = streams.saturating_sub(1);
            *streams
        });
        if left == 0 {
            self.agents.remove(node);
            self.index.disconnected(node);
        }
    }
}

/// What a refusal is shown at: the pod whose policy it is, else the node.
fn refused_object(node: &str, resource_type: ResourceType, resources: &[String]) -> ObjectRef {
    if let (ResourceType::Endpoint, [name]) = (resource_type, resources)
        && let Some((namespace, name)) = name.split_once('/')
    {
        return ObjectRef { kind: Kind::Pod, key: ObjectKey::namespaced(namespace, name), uid: None };
    }
    ObjectRef { kind: Kind::Node, key: ObjectKey::cluster(node), uid: None }
}

fn reference(object: &ObjectRef) -> ObjectReference {
    let api_version = match object.kind {
        Kind::Pod | Kind::Namespace | Kind::Node | Kind::Service => "v1",
        Kind::EndpointSlice => "discovery.k8s.io/v1",
        Kind::Policy(PolicyKind::Cnp | PolicyKind::Ccnp) | Kind::CidrGroup => "cilium.io/v2",
        Kind::Policy(PolicyKind::ClusterNetworkPolicy) => "policy.networking.k8s.io/v1alpha2",
        Kind::Policy(PolicyKind::NetworkPolicy) => "networking.k8s.io/v1",
        Kind::Identity => "identities.postern.dev/v1alpha1",
    };
    let ObjectKey { namespace, name } = &object.key;
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(object.kind.name().to_owned()),
        name: Some(name.clone()),
        namespace: (!namespace.is_empty()).then(|| namespace.clone()),
        uid: object.uid.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_at_the_pod_or_the_node() {
        let about = |resource, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            refused_object("n1", resource, &names).to_string()
        };
        assert_eq!(about(ResourceType::Endpoint, &["ns/a"]), "Pod ns/a");
        assert_eq!(about(ResourceType::Endpoint, &["ns/a", "ns/b"]), "Node n1");
        assert_eq!(about(ResourceType::Identity, &["256"]), "Node n1");
    }
}
