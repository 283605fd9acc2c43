//! Documents: which language each is written in.

use std::collections::{BTreeMap, HashSet};

use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::world::CidrGroup;

use crate::cilium::{self, Dialect, Scope};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::kubernetes;
use crate::source::{Location, SourceFile};
use crate::yaml;

/// What was read from policy files.
#[derive(Debug, Default)]
pub struct Policies {
    /// The policies of every document without an error, in order.
    pub policies: Vec<Policy>,
    /// The CIDR groups that stand beside them.
    pub cidr_groups: Vec<CidrGroup>,
    /// Where each policy and each rule of it stands.
    pub places: BTreeMap<RuleId, Location>,
    /// Everything that was found, errors and warnings, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Policies {
    /// Whether any document was refused. A caller that enforces must then enforce none of them, or keep
    /// what it had: a policy that is left out can open as well as close.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads the policies of some files, one or many documents each.
pub fn load_policies(files: &[SourceFile]) -> Policies {
    let mut loaded = Policies::default();
    let mut names = HashSet::new();
    for file in files {
        let documents = yaml::documents(file, &mut loaded.diagnostics);
        let mut reader = Reader::new(file, &mut loaded.diagnostics);
        reader.expect_documents(&documents, "a policy");
        for node in &documents {
            let mut found = Vec::new();
            read(&At::document(node), &mut reader, &mut found);
            for (at, policy) in found {
                if names.insert(policy.id.clone()) {
                    reader.locate(&policy.id, &at);
                    loaded.policies.push(policy);
                } else {
                    // An API server could hold only one of the two: which is meant cannot be told.
                    let message = format!("the policy {} is given twice", policy.id);
                    reader.error(&at, Code::Conflict, message, "give each its own name, or remove one");
                }
            }
        }
        loaded.places.append(&mut reader.into_places());
    }
    loaded
}

/// The policies of one document, read for another purpose than enforcing them.
pub(crate) fn policy_of(at: &At<'_>, reader: &mut Reader<'_>) -> Vec<Policy> {
    let mut found = Vec::new();
    read(at, reader, &mut found);
    found.into_iter().map(|(_, policy)| policy).collect()
}

/// Policies and where each stands.
type Found<'n> = Vec<(At<'n>, Policy)>;

fn read<'n>(at: &At<'n>, reader: &mut Reader<'_>, found: &mut Found<'n>) {
    let Some(mut object) = at.object(reader) else { return };
    let Some((version, kind)) = version_and_kind(&mut object, reader) else { return };
    let errors_before = reader.errors();
    let policy = match (version, kind) {
        ("cilium.io/v2", "CiliumNetworkPolicy") => {
            cilium::policy(object, Dialect::Modern, Scope::Namespace, reader)
        }
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy") => {
            cilium::policy(object, Dialect::Modern, Scope::Cluster, reader)
        }
        ("cilium.io/v1", "CiliumNetworkPolicy") => {
            cilium::policy(object, Dialect::Legacy, Scope::Namespace, reader)
        }
        ("networking.k8s.io/v1", "NetworkPolicy") => kubernetes::policy(object, reader),
        ("v1", "List") => return read_list(object, reader, found),
        _ => return refuse_kind(at, version, kind, reader),
    };
    // A policy with an error in it is never used, whatever could be read of it.
    if reader.errors() == errors_before {
        found.extend(policy.map(|policy| (at.clone(), policy)));
    }
}

pub(crate) fn version_and_kind<'n>(
    object: &mut Object<'n>,
    reader: &mut Reader<'_>,
) -> Option<(&'n str, &'n str)> {
    let version = object.require("apiVersion", reader).and_then(|at| at.string(reader));
    let kind = object.require("kind", reader).and_then(|at| at.string(reader));
    version.zip(kind)
}

fn read_list<'n>(mut object: Object<'n>, reader: &mut Reader<'_>, found: &mut Found<'n>) {
    let items = object.require("items", reader).and_then(|at| at.list(reader));
    object.ignore("metadata");
    object.finish(&["items"], &[], reader);
    for at in items.into_iter().flatten() {
        read(&at, reader, found);
    }
}

/// Kinds of policy that Postern will read.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("cilium.io/", "CiliumCIDRGroup"),
    ("policy.networking.k8s.io/", "ClusterNetworkPolicy"),
    ("policy.networking.k8s.io/", "AdminNetworkPolicy"),
];

fn refuse_kind(at: &At<'_>, version: &str, kind: &str, reader: &mut Reader<'_>) {
    let what = format!("{version} {kind}");
    let group = version.split('/').next().unwrap_or_default();
    // Whatever looks like a policy and is none that is known: passing it over would enforce less than was written.
    let of_policies = ["cilium.io", "policy.networking.k8s.io"].contains(&group);
    if UNSUPPORTED.iter().any(|(group, name)| version.starts_with(group) && kind == *name) {
        let help = "remove it: a set of policies is never enforced in part";
        reader.error(at, Code::UnsupportedKind, format!("{what} is not supported yet"), help);
    } else if of_policies || kind.to_lowercase().contains("networkpolicy") {
        let help = "expected cilium.io/v2 with CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, networking.k8s.io/v1 with \
                    NetworkPolicy, or v1 with List";
        reader.error(at, Code::InvalidValue, format!("there is no {what}"), help);
    } else {
        let help = "policy files hold CiliumNetworkPolicy and NetworkPolicy documents";
        reader.warning(at, Code::ForeignKind, format!("{what} is not a policy: it is passed over"), help);
    }
}
