//! `kind: Workload`: the short form, for machines without Kubernetes. Strict, as policies are.

use postern_policy_core::world::{Workload, WorkloadName};

use super::address;
use crate::decode::{Object, Reader};
use crate::metadata::metadata;

pub(super) fn read(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Workload> {
    let metadata = metadata(&mut object, reader);
    let spec = object.require("spec", reader).and_then(|at| at.object(reader));
    object.finish(&["apiVersion", "kind", "metadata", "spec"], &[], reader);
    let mut spec = spec?;
    let addresses = spec.require("addresses", reader).and_then(|at| at.list(reader));
    let mut text = |name: &str| spec.take(name, reader).map(|at| at.string(reader).map(str::to_owned));
    let (node, service_account) = (text("node"), text("serviceAccount"));
    spec.finish(&["addresses", "node", "serviceAccount"], &[], reader);

    let addresses: Vec<_> = addresses?.iter().map(|at| address(at, reader)).collect();
    let metadata = metadata?;
    Some(Workload {
        name: WorkloadName { namespace: metadata.namespace, name: metadata.name },
        labels: metadata.labels,
        cluster: None,
        ports: Vec::new(),
        addresses: addresses.into_iter().collect::<Option<_>>()?,
        // A field that is there and wrong has been reported: the document is refused.
        node: node.map_or(Some(None), |node| node.map(Some))?,
        service_account: service_account.map_or(Some(None), |account| account.map(Some))?,
    })
}
