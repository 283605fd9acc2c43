//! Documents: which language each is written in.

use std::collections::{BTreeMap, HashSet};

use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::world::CidrGroup;

use crate::cilium::{self, Dialect, Scope};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::kubernetes;
use crate::metadata::Metadata;
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
    /// The annotations of each policy's object.
    pub annotations: BTreeMap<RuleId, BTreeMap<String, String>>,
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
            for Found { at, id, annotations, policies } in found {
                if !names.insert(id.clone()) {
                    // An API server could hold only one of the two: which is meant cannot be told.
                    let message = format!("the policy {id} is given twice");
                    reader.error(&at, Code::Conflict, message, "give each its own name, or remove one");
                    continue;
                }
                for (at, policy) in policies {
                    reader.locate(&policy.id, &at);
                    loaded.annotations.insert(policy.id.clone(), annotations.clone());
                    loaded.policies.push(policy);
                }
            }
        }
        loaded.places.append(&mut reader.into_places());
    }
    loaded
}

/// One object and the policies that it is made of.
pub(crate) struct Found<'n> {
    /// Where it stands.
    pub(crate) at: At<'n>,
    /// Its name.
    pub(crate) id: RuleId,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Each with its place.
    pub(crate) policies: Vec<(At<'n>, Policy)>,
}

impl<'n> Found<'n> {
    /// An object that is one policy.
    pub(crate) fn one(at: &At<'n>, metadata: Metadata, policy: Policy) -> Self {
        let (id, annotations) = (policy.id.clone(), metadata.annotations);
        Self { at: at.clone(), id, annotations, policies: vec![(at.clone(), policy)] }
    }
}

fn read<'n>(at: &At<'n>, reader: &mut Reader<'_>, found: &mut Vec<Found<'n>>) {
    let Some(mut object) = at.object(reader) else { return };
    let Some((version, kind)) = version_and_kind(&mut object, reader) else { return };
    let errors_before = reader.errors();
    let read = match (version, kind) {
        ("cilium.io/v2", "CiliumNetworkPolicy") => {
            cilium::policies(object, Dialect::Modern, Scope::Namespace, reader)
        }
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy") => {
            cilium::policies(object, Dialect::Modern, Scope::Cluster, reader)
        }
        ("cilium.io/v1", "CiliumNetworkPolicy") => {
            cilium::policies(object, Dialect::Legacy, Scope::Namespace, reader)
        }
        ("networking.k8s.io/v1", "NetworkPolicy") => kubernetes::policy(object, reader),
        ("v1", "List") => return read_list(object, reader, found),
        _ => return refuse_kind(at, version, kind, reader),
    };
    // A policy with an error in it is never used, whatever could be read of it.
    if reader.errors() == errors_before {
        found.extend(read);
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

fn read_list<'n>(mut object: Object<'n>, reader: &mut Reader<'_>, found: &mut Vec<Found<'n>>) {
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

/// Kinds beside the policies, in a group of theirs, that have no say in who may talk to whom.
const BESIDE_POLICIES: [&str; 13] = [
    "CiliumClusterwideEnvoyConfig",
    "CiliumEgressGatewayPolicy",
    "CiliumEndpoint",
    "CiliumEndpointSlice",
    "CiliumEnvoyConfig",
    "CiliumGatewayClassConfig",
    "CiliumIdentity",
    "CiliumL2AnnouncementPolicy",
    "CiliumLoadBalancerIPPool",
    "CiliumLocalRedirectPolicy",
    "CiliumNode",
    "CiliumNodeConfig",
    "CiliumPodIPPool",
];

fn refuse_kind(at: &At<'_>, version: &str, kind: &str, reader: &mut Reader<'_>) {
    let what = format!("{version} {kind}");
    let group = version.split('/').next().unwrap_or_default();
    // Whatever looks like a policy and is none that is known: passing it over would enforce less than was written.
    let of_policies = ["cilium.io", "policy.networking.k8s.io"].contains(&group)
        && !(group == "cilium.io" && BESIDE_POLICIES.contains(&kind));
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
