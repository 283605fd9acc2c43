//! The backends of services that select no pods, and where API servers answer: both from endpoint slices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use postern_policy_core::resolver::Resolver;
use postern_policy_core::world::WorkloadName;

use crate::event::ObjectKey;
use crate::objects::Slice;

/// The service whose backends are the API servers.
const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// The endpoint slices of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    slices: BTreeMap<ObjectKey, Slice>,
}

impl Backends {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.slices.keys()
    }

    /// Sets a slice, or removes it, and tells the resolver of the services whose backends are others.
    pub(crate) fn set(&mut self, key: &ObjectKey, slice: Option<Slice>, resolver: &mut Resolver) {
        if self.slices.get(key) == slice.as_ref() {
            return;
        }
        let service = slice.as_ref().map(|slice| slice.service.clone());
        let before = match slice {
            Some(slice) => self.slices.insert(key.clone(), slice),
            None => self.slices.remove(key),
        };
        let touched: BTreeSet<WorkloadName> =
            before.map(|slice| slice.service).into_iter().chain(service).collect();
        for service in touched {
            self.tell(&service, resolver);
        }
    }

    /// Tells the resolver who is behind a service. Those of one that selects pods are the pods.
    pub(crate) fn tell(&self, service: &WorkloadName, resolver: &mut Resolver) {
        let addresses = self.of(service);
        if (service.namespace.as_str(), service.name.as_str()) == API_SERVER {
            resolver.set_api_servers(addresses.iter().copied());
        }
        let selects = resolver.world().service(service).is_some_and(|known| !known.selector.is_empty());
        resolver.set_backends(service, addresses.into_iter().filter(|_| !selects));
    }

    fn of(&self, service: &WorkloadName) -> BTreeSet<IpAddr> {
        let first = ObjectKey::namespaced(service.namespace.as_str(), "");
        let of_namespace =
            self.slices.range(first..).take_while(|(key, _)| key.namespace == service.namespace);
        let of_service = of_namespace.filter(|(_, slice)| slice.service == *service);
        of_service.flat_map(|(_, slice)| slice.addresses.iter().copied()).collect()
    }
}
