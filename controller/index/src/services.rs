//! Services, and the pods behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use postern_policy_core::world::WorkloadName;
use postern_xds::resource::{EncodeError, Versioned};
use postern_xds::service::{Backend, Service, ServicePort};

use crate::addresses::Addresses;
use crate::event::ObjectKey;
use crate::objects::{self, Pod, Target};

/// What nodes are told of services.
pub(crate) type Published = BTreeMap<String, Arc<Versioned<Service>>>;

/// The services of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Services {
    objects: BTreeMap<ObjectKey, objects::Service>,
    published: Arc<Published>,
    /// The namespaces in which a service or a pod has changed.
    dirty: BTreeSet<String>,
}

impl Services {
    pub(crate) fn set(&mut self, key: &ObjectKey, service: Option<objects::Service>) {
        if self.objects.get(key) != service.as_ref() {
            self.touch(&key.namespace);
            match service {
                Some(service) => drop(self.objects.insert(key.clone(), service)),
                None => drop(self.objects.remove(key)),
            }
        }
    }

    /// Says that pods of a namespace have changed.
    pub(crate) fn touch(&mut self, namespace: &str) {
        self.dirty.insert(namespace.to_owned());
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Brings what is published up to date and says whether that changed anything.
    pub(crate) fn refresh<'p>(
        &mut self,
        pods_of: impl Fn(&str) -> Box<dyn Iterator<Item = &'p Pod> + 'p>,
        addresses: &Addresses,
    ) -> Result<bool, EncodeError> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut changed = false;
        for namespace in dirty {
            let range = ObjectKey::namespaced(namespace.as_str(), "")..;
            let of_namespace: Vec<&objects::Service> = self
                .objects
                .range(range)
                .take_while(|(key, _)| key.namespace == namespace)
                .map(|(_, service)| service)
                .collect();
            let mut fresh = Published::new();
            if !of_namespace.is_empty() {
                let pods: Vec<&Pod> = pods_of(&namespace).collect();
                for service in of_namespace {
                    let service = resolve(service, &pods, addresses);
                    let kept = self.published.get(&service.name).filter(|kept| *kept.value() == service);
                    let entry = match kept {
                        Some(kept) => Arc::clone(kept),
                        None => Arc::new(Versioned::new(service)?),
                    };
                    fresh.insert(entry.value().name.clone(), entry);
                }
            }
            let prefix = format!("{namespace}/");
            let before =
                self.published.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
            let same = before.clone().count() == fresh.len()
                && before.zip(&fresh).all(|((_, a), (_, b))| Arc::ptr_eq(a, b));
            if !same {
                changed = true;
                let published = Arc::make_mut(&mut self.published);
                published.retain(|name, _| !name.starts_with(&prefix));
                published.extend(fresh);
            }
        }
        Ok(changed)
    }
}

fn resolve(service: &objects::Service, pods: &[&Pod], addresses: &Addresses) -> Service {
    let selects = |pod: &&&Pod| {
        let selected =
            service.selector.iter().all(|(key, value)| pod.workload.labels.get(key) == Some(value));
        !service.selector.is_empty() && selected && pod.stays && (pod.ready || service.not_ready_too)
    };
    let backends: Vec<&Pod> = pods.iter().filter(selects).copied().collect();
    let has_family =
        |address: &IpAddr| service.addresses.iter().any(|own| own.is_ipv4() == address.is_ipv4());
    let port = |port: &objects::ServicePort| {
        let backends = backends.iter().flat_map(|pod| {
            let target = match &port.target {
                Target::Number(number) => Some(*number),
                Target::Named(name) => pod
                    .ports
                    .iter()
                    .find(|given| given.name == *name && given.protocol == port.protocol)
                    .map(|given| given.port),
            };
            // A node's pods on its own network have its address; what a pod claims with others is nobody's.
            let own = addresses.undisputed(&pod.workload.addresses).into_iter().filter(has_family);
            own.filter_map(move |address| Some(Backend { address, port: target? }))
        });
        ServicePort { port: port.port, protocol: port.protocol, backends: backends.collect() }
    };
    Service {
        name: WorkloadName { namespace: service.key.namespace.clone(), name: service.key.name.clone() }
            .to_string(),
        addresses: service.addresses.clone(),
        ports: service.ports.iter().map(port).collect(),
    }
}
