//! The ports that workloads give names to.

use postern_policy_core::world::NamedPort;

use super::kubernetes::text;
use crate::decode::{At, Object, Reader};
use crate::kubernetes::ports::{number, port_name, protocol};

/// Those of a pod: of its containers, and of the init containers that stay beside them.
pub(super) fn of_pod(spec: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<NamedPort>> {
    let mut ports = Vec::new();
    for field in ["containers", "initContainers"] {
        let Some(containers) = spec.take_nullable(field) else { continue };
        for container in containers.list(reader)? {
            let mut container = container.object(reader)?;
            // Any other init container has ended before the pod is ready to be spoken to.
            let stays = text(&mut container, "restartPolicy", reader)?.as_deref() == Some("Always");
            if field == "containers" || stays {
                of_container(&mut container, &mut ports, reader)?;
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    Some(ports)
}

fn of_container(
    container: &mut Object<'_>,
    ports: &mut Vec<NamedPort>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let Some(given) = container.take_nullable("ports") else { return Some(()) };
    for at in given.list(reader)? {
        let mut object = at.object(reader)?;
        if object.take_nullable("name").is_some() {
            ports.push(named(&mut object, "containerPort", reader)?);
        }
    }
    Some(())
}

/// Those of a `kind: Workload`, where every port has a name.
pub(super) fn of_workload(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<NamedPort>> {
    let mut ports = Vec::new();
    for at in at.list(reader)? {
        let mut object = at.object(reader)?;
        let port = named(&mut object, "port", reader);
        object.finish(&["name", "port", "protocol"], &[], reader);
        ports.push(port);
    }
    ports.into_iter().collect()
}

fn named(object: &mut Object<'_>, field: &str, reader: &mut Reader<'_>) -> Option<NamedPort> {
    let name = object.require("name", reader).and_then(|at| port_name(&at, reader).map(str::to_owned));
    let port = object.require(field, reader).and_then(|at| number(&at, 1, reader));
    let protocol = protocol(object, reader);
    Some(NamedPort { name: name?, protocol: protocol?, port: port? })
}
