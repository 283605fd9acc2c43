//! Object metadata, as far as policies and inventories use it.

use std::collections::BTreeMap;

use postern_policy_core::policy::Mode;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// The fields of Kubernetes' own metadata that say nothing of policy.
const IGNORED: [&str; 11] = [
    "labels",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "generateName",
    "managedFields",
    "ownerReferences",
];

/// The namespace of an object that names none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// The annotation of a policy that is to be looked at, not enforced.
const AUDIT: &str = "postern.dev/audit";

/// What objects are called.
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Reads `metadata`. An object without a name is refused.
pub(crate) fn metadata(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Metadata> {
    let mut metadata = object.require("metadata", reader)?.object(reader)?;
    let labels = match metadata.has("labels") {
        true => metadata.take("labels", reader).map_or(Some(BTreeMap::new()), |at| text_map(&at, reader)),
        false => Some(BTreeMap::new()),
    };
    // Templates leave the key behind when there is nothing to put under it.
    let annotations = match metadata.take_nullable("annotations") {
        Some(at) => text_map(&at, reader),
        None => Some(BTreeMap::new()),
    };
    let name = metadata.require("name", reader).and_then(|at| dns_name(&at, reader));
    let namespace = match metadata.take("namespace", reader) {
        Some(at) => dns_name(&at, reader),
        None => Some(DEFAULT_NAMESPACE.to_owned()),
    };
    for field in IGNORED {
        metadata.ignore(field);
    }
    metadata.finish(&["name", "namespace", "labels", "annotations"], &[], reader);
    Some(Metadata { name: name?, namespace: namespace?, labels: labels?, annotations: annotations? })
}

/// Whether the policy that `object` is wants to be enforced. `None` means that an error was reported.
pub(crate) fn mode(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Mode> {
    let metadata = object.get("metadata").and_then(|at| at.peek());
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.peek());
    let Some(at) = annotations.and_then(|annotations| annotations.get(AUDIT)) else {
        return Some(Mode::Enforced);
    };
    match at.string(reader)? {
        "true" => Some(Mode::Audit),
        other => {
            let message = format!("{AUDIT} is {other:?}");
            let help = "write \"true\" to look at the policy without enforcing it, or remove the annotation";
            reader.error(&at, Code::InvalidValue, message, help);
            None
        }
    }
}

/// Reads the `metadata` of an object that is in no namespace.
pub(crate) fn cluster_metadata(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Metadata> {
    if let Some(at) = object.get("metadata").and_then(|at| at.object(reader)?.get("namespace")) {
        let message = "a cluster-wide policy is in no namespace";
        reader.error(&at, Code::Conflict, message, "remove `namespace`, or write a CiliumNetworkPolicy");
    }
    metadata(object, reader)
}

/// A mapping of texts to texts.
pub(crate) fn text_map(at: &At<'_>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let object = at.object(reader)?;
    object.entries().map(|(key, at)| Some((key.to_owned(), at.string(reader)?.to_owned()))).collect()
}

/// RFC 1123's subdomain, which Kubernetes wants of names: they end up in rule names and logs.
pub(crate) fn dns_name(at: &At<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let name = at.string(reader)?;
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Some(name.to_owned());
    }
    reader.error(
        at,
        Code::InvalidValue,
        format!("{name:?} is not a valid name"),
        "use lower-case letters, digits, `-` and `.`, starting and ending with a letter or digit",
    );
    None
}
