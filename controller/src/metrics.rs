//! What is counted.

use std::sync::Arc;

use postern_controller_index::{Kind, Sizes};
use postern_ops::{Counter, Gauge, Registry};
use postern_xds::server::ClientKind;

use crate::kind::PerKind;

/// Conversions of the webhook.
#[derive(Debug, Clone)]
pub struct Conversions {
    /// Reviews whose objects were all converted.
    pub converted: Counter,
    /// Reviews that were refused.
    pub refused: Counter,
}

/// Writes of one sort.
#[derive(Debug, Clone)]
pub(crate) struct Writes {
    /// The API server took them.
    pub(crate) done: Counter,
    /// It did not; they are tried again.
    pub(crate) failed: Counter,
}

/// Clients, by what they are.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    node: Gauge,
    proxy: Gauge,
    envoy: Gauge,
}

impl Clients {
    /// The number of clients of a kind.
    #[must_use]
    pub(crate) fn of(&self, kind: ClientKind) -> &Gauge {
        match kind {
            ClientKind::Node => &self.node,
            ClientKind::Proxy => &self.proxy,
            ClientKind::Envoy => &self.envoy,
        }
    }
}

/// How much the index has.
#[derive(Debug, Clone)]
pub(crate) struct SizeGauges {
    sizes: [Gauge; 10],
    revision: Gauge,
}

impl SizeGauges {
    fn register(registry: &mut Registry) -> Self {
        let what = [
            "pods",
            "namespaces",
            "nodes",
            "services",
            "policies",
            "invalid_policies",
            "identities",
            "waiting_identities",
            "endpoints",
            "contested_addresses",
        ];
        let help = "What the index has, by what it is";
        let revision = "The last revision that was published to nodes";
        Self {
            sizes: registry.gauges("postern_controller_index_size", help, "of", what),
            revision: registry.gauge("postern_controller_index_revision", revision),
        }
    }

    /// Takes over what the index has.
    pub(crate) fn set(&self, sizes: &Sizes) {
        let values = [
            sizes.pods,
            sizes.namespaces,
            sizes.nodes,
            sizes.services,
            sizes.policies,
            sizes.invalid_policies,
            sizes.identities,
            sizes.waiting_identities,
            sizes.endpoints,
            sizes.contested_addresses,
        ];
        for (gauge, value) in self.sizes.iter().zip(values) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.revision.set(i64::try_from(sizes.revision).unwrap_or(i64::MAX));
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// For the scrape.
    pub(crate) registry: Arc<Registry>,
    /// 1 while this controller writes to the cluster.
    pub(crate) leader: Gauge,
    /// How much the index has.
    pub(crate) sizes: SizeGauges,
    /// Failures of watches, by kind.
    pub(crate) watch_errors: PerKind<Counter>,
    /// Conversions.
    pub(crate) conversions: Conversions,
    /// Writes of policy status.
    pub(crate) status: Writes,
    /// Writes of identities.
    pub(crate) identities: Writes,
    /// Kubernetes Events.
    pub(crate) events: Writes,
    /// Connected clients.
    pub(crate) clients: Clients,
    /// What clients have acknowledged.
    pub(crate) acks: Counter,
    /// What clients have refused.
    pub(crate) nacks: Counter,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub(crate) fn new() -> Self {
        let mut registry = Registry::new();
        let kinds = Kind::ALL.map(Kind::name);
        let [converted, refused] = registry.counters(
            "postern_controller_conversions",
            "Conversion reviews, by outcome",
            "outcome",
            ["converted", "refused"],
        );
        let [node, proxy, envoy] = registry.gauges(
            "postern_controller_xds_clients",
            "Connected xDS clients, by kind",
            "kind",
            ["node", "proxy", "envoy"],
        );
        let [acks, nacks] = registry.counters(
            "postern_controller_xds_answers",
            "What xDS clients said of what they were sent",
            "answer",
            ["ack", "nack"],
        );
        Self {
            leader: registry
                .gauge("postern_controller_leader", "Whether this controller writes to the cluster"),
            sizes: SizeGauges::register(&mut registry),
            watch_errors: PerKind::new(registry.counters(
                "postern_controller_watch_errors",
                "Failures of watches at the API server, by kind",
                "kind",
                kinds,
            )),
            conversions: Conversions { converted, refused },
            status: writes(&mut registry, "postern_controller_status_writes", "Writes of policy status"),
            identities: writes(&mut registry, "postern_controller_identity_writes", "Writes of identities"),
            events: writes(&mut registry, "postern_controller_events", "Kubernetes Events"),
            clients: Clients { node, proxy, envoy },
            acks,
            nacks,
            registry: Arc::new(registry),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn writes(registry: &mut Registry, name: &str, help: &str) -> Writes {
    let [done, failed] = registry.counters(name, help, "outcome", ["done", "failed"]);
    Writes { done, failed }
}
