//! What stands behind services: `EndpointSlice`, and `Endpoints`, which came before it.
//!
//! An address counts whether it is ready or not: that changes by the minute, and whom a policy means does not.

use std::net::IpAddr;

use postern_policy_core::world::{WorkloadName, World, WorldError};

use super::address;
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::metadata;

/// The label that says whose slice it is.
const SERVICE: &str = "kubernetes.io/service-name";

/// The addresses behind a service.
pub(super) struct Backends {
    service: WorkloadName,
    addresses: Vec<IpAddr>,
}

impl Backends {
    /// Tells the world. The service `default/kubernetes` is the API servers.
    pub(super) fn add(self, world: &mut World) -> Result<(), WorldError> {
        if (self.service.namespace.as_str(), self.service.name.as_str()) == ("default", "kubernetes") {
            self.addresses.iter().for_each(|address| world.add_api_server(*address));
        }
        world.add_backends(&self.service, self.addresses);
        Ok(())
    }
}

/// Reads one `EndpointSlice`.
pub(super) fn endpoint_slice(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Backends> {
    let at = object.at.clone();
    let metadata = metadata(&mut object, reader)?;
    let Some(service) = metadata.labels.get(SERVICE).filter(|name| !name.is_empty()) else {
        let message = format!("the slice {} belongs to no service: it is passed over", metadata.name);
        reader.warning(
            &at,
            Code::ForeignKind,
            message,
            format!("the label {SERVICE} would name the service"),
        );
        return None;
    };
    let service = WorkloadName { namespace: metadata.namespace, name: service.clone() };
    let kind = object.require("addressType", reader)?;
    match kind.string(reader)? {
        "IPv4" | "IPv6" => {}
        "FQDN" => {
            let message = format!("the slice {} holds names: it is passed over", metadata.name);
            reader.warning(&kind, Code::ForeignKind, message, "policies speak of addresses");
            return None;
        }
        other => {
            let message = format!("there is no address type {other:?}");
            reader.error(&kind, Code::InvalidValue, message, "expected IPv4, IPv6 or FQDN");
            return None;
        }
    }
    let mut addresses = Vec::new();
    if let Some(endpoints) = object.take_nullable("endpoints") {
        for at in endpoints.list(reader)? {
            for at in at.object(reader)?.require("addresses", reader)?.list(reader)? {
                addresses.push(address(&at, reader)?);
            }
        }
    }
    Some(Backends { service, addresses })
}

/// Reads one `Endpoints`, which has the name of its service.
pub(super) fn endpoints(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Backends> {
    let metadata = metadata(&mut object, reader)?;
    let service = WorkloadName { namespace: metadata.namespace, name: metadata.name };
    let mut addresses = Vec::new();
    if let Some(subsets) = object.take_nullable("subsets") {
        for at in subsets.list(reader)? {
            let mut subset = at.object(reader)?;
            for field in ["addresses", "notReadyAddresses"] {
                if let Some(list) = subset.take_nullable(field) {
                    addresses.extend(of_subset(&list, reader)?);
                }
            }
        }
    }
    Some(Backends { service, addresses })
}

fn of_subset(list: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<IpAddr>> {
    list.list(reader)?.iter().map(|at| address(&at.object(reader)?.require("ip", reader)?, reader)).collect()
}
