//! Inventories: what exists, from Kubernetes objects or from `kind: Workload`.
//!
//! ```yaml
//! apiVersion: postern.dev/v1alpha1
//! kind: Workload
//! metadata: {name: app1, namespace: default, labels: {id: app1}}
//! spec:
//!   addresses: [10.0.0.1]
//!   node: worker0
//!   serviceAccount: default
//!   cluster: east                # where it is not the local one
//!   ports: [{name: web, port: 8080, protocol: TCP}]
//! ```

mod backends;
mod kubernetes;
mod ports;
#[cfg(test)]
mod tests;
mod workload;

use std::collections::BTreeMap;
use std::net::IpAddr;

use postern_policy_core::path::{PROFILE_ANNOTATION, Profile, parse_profiles};
use postern_policy_core::port::PortRange;
use postern_policy_core::world::{World, WorldError};

use crate::cidr_group;
use crate::decode::{At, Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::{Kind, version_and_kind};
use crate::source::SourceFile;
use crate::yaml;

/// What was read from inventory files.
#[derive(Debug, Default)]
pub struct Inventory {
    /// What exists.
    pub world: World,
    /// Everything that was found, errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Inventory {
    /// Whether any document was refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads an inventory from some files, one or many documents each.
pub fn load_inventory(files: &[SourceFile]) -> Inventory {
    let mut inventory = Inventory::default();
    for file in files {
        let documents = yaml::documents(file, &mut inventory.diagnostics);
        let mut reader = Reader::new(file, &mut inventory.diagnostics);
        reader.expect_documents(&documents, &format!("one of {KINDS}"));
        for node in &documents {
            read(&At::document(node), None, &mut reader, &mut inventory.world);
        }
    }
    inventory
}

fn read<'n>(at: &At<'n>, of_list: Option<Kind<'n>>, reader: &mut Reader<'_>, world: &mut World) {
    let Some(mut object) = at.object(reader) else { return };
    let Some(kind) = version_and_kind(&mut object, of_list, reader) else { return };
    let Some(read_one) = reading(kind) else {
        return match kind.of_items() {
            Some(of_list) if of_list.is_none_or(|kind| reading(kind).is_some()) => {
                read_list(&mut object, of_list, reader, world);
            }
            _ if kind.version == VERSION => {
                reader.error(at, Code::InvalidValue, format!("there is no {kind}"), "expected Workload");
            }
            _ => {
                let message = format!("{kind} is no part of an inventory: it is passed over");
                reader.warning(at, Code::ForeignKind, message, format!("an inventory is made of {KINDS}"));
            }
        };
    };
    if let Some(Err(error)) = read_one(object, reader, world) {
        report(at, &error, reader);
    }
}

/// The version of Postern's own kinds.
const VERSION: &str = "postern.dev/v1alpha1";
const KINDS: &str =
    "Pod, Namespace, Node, Service, EndpointSlice, Endpoints, CiliumCIDRGroup, Workload, and Lists of them";

/// Reads an object and adds it; nothing where it is left out or an error was reported.
type Reading = fn(Object<'_>, &mut Reader<'_>, &mut World) -> Option<Result<(), WorldError>>;

/// How a kind is read.
fn reading(kind: Kind<'_>) -> Option<Reading> {
    let reading: Reading = match (kind.version, kind.name) {
        (VERSION, "Workload") => |object, reader, world| {
            workload::read(object, reader).map(|workload| world.add_workload(workload))
        },
        ("v1", "Pod") => |object, reader, world| {
            kubernetes::pod(object, reader).map(|workload| world.add_workload(workload))
        },
        ("v1", "Namespace") => |object, reader, world| {
            kubernetes::namespace(object, reader).map(|(name, labels)| world.add_namespace(&name, labels))
        },
        ("v1", "Node") => {
            |object, reader, world| kubernetes::node(object, reader).map(|node| world.add_node(node))
        }
        ("v1", "Service") => |object, reader, world| {
            kubernetes::service(object, reader).map(|service| world.add_service(service))
        },
        ("v1", "Endpoints") => {
            |object, reader, world| backends::endpoints(object, reader).map(|backends| backends.add(world))
        }
        ("discovery.k8s.io/v1", "EndpointSlice") => |object, reader, world| {
            backends::endpoint_slice(object, reader).map(|backends| backends.add(world))
        },
        (version, cidr_group::KIND) if cidr_group::VERSIONS.contains(&version) => {
            |object, reader, world| cidr_group::read(object, reader).map(|group| world.add_cidr_group(group))
        }
        _ => return None,
    };
    Some(reading)
}

fn report(at: &At<'_>, error: &WorldError, reader: &mut Reader<'_>) {
    reader.error(at, Code::Conflict, error.to_string(), "every object of an inventory has its own name");
}

fn read_list<'n>(
    object: &mut Object<'n>,
    of_list: Option<Kind<'n>>,
    reader: &mut Reader<'_>,
    world: &mut World,
) {
    let items = object.require("items", reader).and_then(|at| at.list(reader));
    for at in items.into_iter().flatten() {
        read(&at, of_list, reader, world);
    }
}

/// How a workload reads paths, by its annotation. One that cannot be read makes every port strict.
fn profiles(
    at: &At<'_>,
    annotations: &BTreeMap<String, String>,
    reader: &mut Reader<'_>,
) -> Vec<(PortRange, Profile)> {
    let Some(text) = annotations.get(PROFILE_ANNOTATION) else { return Vec::new() };
    parse_profiles(text).unwrap_or_else(|error| {
        let help = "until then, its paths are read in every way that any server does (`strict`)";
        reader.warning(at, Code::InvalidValue, error.to_string(), help);
        Vec::new()
    })
}

fn address(at: &At<'_>, reader: &mut Reader<'_>) -> Option<IpAddr> {
    let text = at.string(reader)?;
    let address = text.parse().ok().map(|address: IpAddr| address.to_canonical());
    if address.is_none() {
        let message = format!("{text:?} is not an IP address");
        reader.error(at, Code::InvalidValue, message, "expected IPv4 as 10.0.0.1, or IPv6 as fd00::1");
    }
    address
}
