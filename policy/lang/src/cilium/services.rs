//! `toServices`.

use postern_policy_core::peer::{PeerTerm, ServiceTerm};
use postern_policy_core::world::WorkloadName;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::metadata::dns_name;
use crate::selector::{Keys, selector};

/// Reads a list of references to services.
pub(super) fn services(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let mut terms = Vec::new();
    for at in at.list(reader)? {
        let mut object = at.object(reader)?;
        let given = object.has("k8sService") || object.has("k8sServiceSelector");
        let (named, labels) = (object.take("k8sService", reader), object.take("k8sServiceSelector", reader));
        object.finish(&["k8sService", "k8sServiceSelector"], &[], reader);
        if !given {
            let message = "the entry names no service";
            reader.error(&at, Code::MissingField, message, "add k8sService or k8sServiceSelector");
        }
        // Where both are given, either is meant.
        terms.extend(named.map(|at| by_name(&at, reader)));
        terms.extend(labels.map(|at| by_labels(&at, reader)));
    }
    terms.into_iter().map(|term| term.map(PeerTerm::Service)).collect()
}

fn by_name(at: &At<'_>, reader: &mut Reader<'_>) -> Option<ServiceTerm> {
    let mut object = at.object(reader)?;
    let name = object.require("serviceName", reader).and_then(|at| dns_name(&at, reader));
    let named_namespace = object.has("namespace");
    let namespace = namespace(&mut object, reader)?;
    object.finish(&["serviceName", "namespace"], &[], reader);
    if !named_namespace {
        let message = "`namespace` is missing: a service of that name in any namespace would be meant";
        let help = "write the service's namespace, or select services by label with k8sServiceSelector";
        reader.error(at, Code::MissingField, message, help);
    }
    Some(ServiceTerm::Named(WorkloadName { namespace: namespace?, name: name? }))
}

fn by_labels(at: &At<'_>, reader: &mut Reader<'_>) -> Option<ServiceTerm> {
    let mut object = at.object(reader)?;
    let labels = object.require("selector", reader).and_then(|at| selector(&at, Keys::Sourced, reader));
    let namespace = namespace(&mut object, reader);
    object.finish(&["selector", "namespace"], &[], reader);
    Some(ServiceTerm::Labels { selector: labels?, namespace: namespace? })
}

#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
fn namespace(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    if !object.has("namespace") {
        return Some(None);
    }
    let at = object.take("namespace", reader)?;
    dns_name(&at, reader).map(Some)
}
