//! Kubernetes objects, as `kubectl get … -o yaml` prints them: what is needed is read, the rest is not.

use std::collections::BTreeMap;
use std::net::IpAddr;

use postern_policy_core::world::{Node, Service, Workload, WorkloadName};

use super::{address, ports, profiles};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::{Metadata, metadata, text_map};

pub(super) fn pod(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Workload> {
    let at = object.at.clone();
    let Metadata { name, namespace, labels, annotations } = metadata(&mut object, reader)?;
    let name = WorkloadName { namespace, name };
    let profiles = profiles(&at, &annotations, reader);
    let mut spec = object.require("spec", reader)?.object(reader)?;
    let node = text(&mut spec, "nodeName", reader)?;
    let service_account = text(&mut spec, "serviceAccountName", reader)?;
    let ports = ports::of_pod(&mut spec, reader)?;
    let host_network = match spec.take_nullable("hostNetwork") {
        Some(at) => at.boolean(reader)?,
        None => false,
    };
    if host_network {
        let message = format!("pod {name} uses its node's network: policies do not apply to it");
        reader.warning(&at, Code::HostNetwork, message, "its traffic is its node's: it is left out");
        return None;
    }
    let addresses = match object.take_nullable("status") {
        Some(status) => pod_addresses(&status, reader)?,
        None => Vec::new(),
    };
    Some(Workload { name, labels, addresses, node, service_account, cluster: None, ports, profiles })
}

/// A pod that has ended has given its addresses back: another pod may have them now.
fn pod_addresses(status: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<IpAddr>> {
    let mut status = status.object(reader)?;
    let phase = text(&mut status, "phase", reader)?;
    if matches!(phase.as_deref(), Some("Succeeded" | "Failed")) {
        return Some(Vec::new());
    }
    let mut addresses = Vec::new();
    if let Some(at) = status.take_nullable("podIP") {
        addresses.push(address(&at, reader)?);
    }
    if let Some(at) = status.take_nullable("podIPs") {
        for at in at.list(reader)? {
            addresses.push(address(&at.object(reader)?.require("ip", reader)?, reader)?);
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    Some(addresses)
}

pub(super) fn namespace(
    mut object: Object<'_>,
    reader: &mut Reader<'_>,
) -> Option<(String, BTreeMap<String, String>)> {
    let metadata = metadata(&mut object, reader)?;
    Some((metadata.name, metadata.labels))
}

pub(super) fn node(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Node> {
    let Metadata { name, labels, .. } = metadata(&mut object, reader)?;
    let mut addresses = Vec::new();
    if let Some(status) = object.take_nullable("status")
        && let Some(list) = status.object(reader)?.take_nullable("addresses")
    {
        for at in list.list(reader)? {
            let mut entry = at.object(reader)?;
            let kind = text(&mut entry, "type", reader)?;
            // The others are names.
            if matches!(kind.as_deref(), Some("InternalIP" | "ExternalIP")) {
                addresses.push(address(&entry.require("address", reader)?, reader)?);
            }
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    Some(Node { name, addresses, labels })
}

pub(super) fn service(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Service> {
    let Metadata { name, namespace, labels, .. } = metadata(&mut object, reader)?;
    let mut spec = object.require("spec", reader)?.object(reader)?;
    let selector = match spec.take_nullable("selector") {
        Some(at) => text_map(&at, reader)?,
        None => BTreeMap::new(),
    };
    let mut addresses = Vec::new();
    if let Some(at) = spec.take_nullable("clusterIPs") {
        for at in at.list(reader)? {
            addresses.extend(cluster_ip(&at, reader)?);
        }
    } else if let Some(at) = spec.take_nullable("clusterIP") {
        addresses.extend(cluster_ip(&at, reader)?);
    }
    Some(Service { name: WorkloadName { namespace, name }, selector, addresses, labels })
}

/// A headless service has `None` for an address.
#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
fn cluster_ip(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Option<IpAddr>> {
    match at.string(reader)? {
        "None" | "" => Some(None),
        _ => address(at, reader).map(Some),
    }
}

#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
pub(super) fn text(object: &mut Object<'_>, name: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    match object.take_nullable(name) {
        Some(at) => at.string(reader).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}
