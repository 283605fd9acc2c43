//! `kind: Workload`: the short form, for machines without Kubernetes. Strict, as policies are.

use postern_policy_core::labels::DEFAULT_CLUSTER;
use postern_policy_core::world::{Workload, WorkloadName};

use super::{address, ports, profiles};
use crate::decode::{Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::metadata;

pub(super) fn read(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<Workload> {
    let at = object.at.clone();
    let metadata = metadata(&mut object, reader);
    let spec = object.require("spec", reader).and_then(|at| at.object(reader));
    object.finish(&["apiVersion", "kind", "metadata", "spec"], &[], reader);
    let mut spec = spec?;
    let addresses = spec.require("addresses", reader).and_then(|at| at.list(reader));
    let mut text = |name: &str| match spec.has(name) {
        // A field that is there and wrong has been reported: the document is refused.
        true => spec.take(name, reader)?.string(reader).map(|text| Some(text.to_owned())),
        false => Some(None),
    };
    let (node, service_account, cluster) = (text("node"), text("serviceAccount"), text("cluster"));
    if cluster == Some(Some(String::new())) {
        let help = "write its name, or remove the field: the local cluster needs none";
        reader.error(&spec.at, Code::InvalidValue, "`cluster` is empty", help);
    }
    let ports = match spec.has("ports") {
        true => spec.take("ports", reader).and_then(|at| ports::of_workload(&at, reader)),
        false => Some(Vec::new()),
    };
    spec.finish(&["addresses", "node", "serviceAccount", "cluster", "ports"], &[], reader);

    let addresses: Vec<_> = addresses?.iter().map(|at| address(at, reader)).collect();
    let metadata = metadata?;
    let profiles = profiles(&at, &metadata.annotations, reader);
    Some(Workload {
        name: WorkloadName { namespace: metadata.namespace, name: metadata.name },
        labels: metadata.labels,
        addresses: addresses.into_iter().collect::<Option<_>>()?,
        node: node?,
        service_account: service_account?,
        cluster: cluster?.filter(|cluster| cluster != DEFAULT_CLUSTER),
        ports: ports?,
        profiles,
    })
    .filter(|workload| workload.cluster.as_deref() != Some(""))
}
