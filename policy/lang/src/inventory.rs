//! Inventories: what exists, from Kubernetes objects or from `kind: Workload`.
//!
//! ```yaml
//! apiVersion: postern.dev/v1alpha1
//! kind: Workload
//! metadata: {name: app1, namespace: default, labels: {id: app1}}
//! spec: {addresses: [10.0.0.1], node: worker0, serviceAccount: default}
//! ```

mod kubernetes;
mod workload;

use std::net::IpAddr;

use postern_policy_core::world::{World, WorldError};

use crate::decode::{At, Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::version_and_kind;
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
        reader.expect_documents(&documents, "a Pod, Namespace, Node, Service or Workload");
        for node in &documents {
            read(&At::document(node), &mut reader, &mut inventory.world);
        }
    }
    inventory
}

fn read(at: &At<'_>, reader: &mut Reader<'_>, world: &mut World) {
    let Some(mut object) = at.object(reader) else { return };
    let Some((version, kind)) = version_and_kind(&mut object, reader) else { return };
    let added = match (version, kind) {
        ("postern.dev/v1alpha1", "Workload") => workload::read(object, reader).map(|w| world.add_workload(w)),
        ("v1", "Pod") => kubernetes::pod(object, reader).map(|workload| world.add_workload(workload)),
        ("v1", "Namespace") => {
            kubernetes::namespace(object, reader).map(|(name, labels)| world.add_namespace(&name, labels))
        }
        ("v1", "Node") => kubernetes::node(object, reader).map(|node| world.add_node(node)),
        ("v1", "Service") => kubernetes::service(object, reader).map(|service| world.add_service(service)),
        ("v1", "List") => return read_list(&mut object, reader, world),
        ("v1", "PodList" | "NamespaceList" | "NodeList" | "ServiceList") | ("postern.dev/v1alpha1", _) => {
            let help = "expected v1 with Pod, Namespace, Node, Service or List, or postern.dev/v1alpha1 with Workload";
            return reader.error(at, Code::InvalidValue, format!("there is no {version} {kind} here"), help);
        }
        _ => {
            let help = "an inventory is made of Pod, Namespace, Node, Service and Workload";
            let message = format!("{version} {kind} is no part of an inventory: it is passed over");
            return reader.warning(at, Code::ForeignKind, message, help);
        }
    };
    if let Some(Err(error)) = added {
        report(at, &error, reader);
    }
}

fn report(at: &At<'_>, error: &WorldError, reader: &mut Reader<'_>) {
    reader.error(at, Code::Conflict, error.to_string(), "every object of an inventory has its own name");
}

fn read_list(object: &mut Object<'_>, reader: &mut Reader<'_>, world: &mut World) {
    let items = object.require("items", reader).and_then(|at| at.list(reader));
    for at in items.into_iter().flatten() {
        read(&at, reader, world);
    }
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
