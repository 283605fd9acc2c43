//! Documents: which language each is written in.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::world::CidrGroup;

use crate::cidr_group;
use crate::cilium::{self, Dialect, Scope};
use crate::cluster;
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
            read(&At::document(node), None, &mut reader, &mut found);
            for Found { at, id, annotations, content } in found {
                if !names.insert(id.clone()) {
                    // An API server could hold only one of the two: which is meant cannot be told.
                    let what = content.what();
                    let message = format!("the {what} {id} is given twice");
                    reader.error(&at, Code::Conflict, message, "give each its own name, or remove one");
                    continue;
                }
                match content {
                    Content::CidrGroup(group) => {
                        reader.locate(&id, &at);
                        loaded.cidr_groups.push(group);
                    }
                    Content::Policies(policies) => {
                        for (at, policy) in policies {
                            reader.locate(&policy.id, &at);
                            loaded.annotations.insert(policy.id.clone(), annotations.clone());
                            loaded.policies.push(policy);
                        }
                    }
                }
            }
        }
        loaded.places.append(&mut reader.into_places());
    }
    loaded
}

/// One object and what it is made of.
pub(crate) struct Found<'n> {
    /// Where it stands.
    pub(crate) at: At<'n>,
    /// Its name.
    pub(crate) id: RuleId,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) content: Content<'n>,
}

/// The policies of one document, read for another purpose than enforcing them.
pub(crate) fn policies_of<'n>(
    at: &At<'n>,
    of_list: Option<Kind<'n>>,
    reader: &mut Reader<'_>,
) -> Vec<Policy> {
    let mut found = Vec::new();
    read(at, of_list, reader, &mut found);
    let policies = found.into_iter().filter_map(|found| match found.content {
        Content::Policies(policies) => Some(policies),
        Content::CidrGroup(_) => None,
    });
    policies.flatten().map(|(_, policy)| policy).collect()
}

/// What a document was.
pub(crate) enum Content<'n> {
    /// Policies, each with its place.
    Policies(Vec<(At<'n>, Policy)>),
    CidrGroup(CidrGroup),
}

impl Content<'_> {
    fn what(&self) -> &'static str {
        match self {
            Self::Policies(_) => "policy",
            Self::CidrGroup(_) => "CIDR group",
        }
    }
}

impl<'n> Found<'n> {
    /// An object that is one policy.
    pub(crate) fn one(at: &At<'n>, metadata: Metadata, policy: Policy) -> Self {
        let (id, annotations) = (policy.id.clone(), metadata.annotations);
        Self { at: at.clone(), id, annotations, content: Content::Policies(vec![(at.clone(), policy)]) }
    }
}

fn read<'n>(at: &At<'n>, of_list: Option<Kind<'n>>, reader: &mut Reader<'_>, found: &mut Vec<Found<'n>>) {
    let Some(mut object) = at.object(reader) else { return };
    let Some(kind) = version_and_kind(&mut object, of_list, reader) else { return };
    let errors_before = reader.errors();
    let Some(read_one) = reading(kind) else {
        return match kind.of_items() {
            Some(of_list) if of_list.is_none_or(|kind| reading(kind).is_some()) => {
                read_list(object, of_list, reader, found);
            }
            _ => refuse_kind(at, kind, reader),
        };
    };
    let one = read_one(object, reader);
    // A document with an error in it is never used, whatever could be read of it.
    if reader.errors() == errors_before {
        found.extend(one);
    }
}

type Reading<'n> = fn(Object<'n>, &mut Reader<'_>) -> Option<Found<'n>>;

/// How a kind is read.
fn reading<'n>(kind: Kind<'_>) -> Option<Reading<'n>> {
    match (kind.version, kind.name) {
        ("cilium.io/v2", "CiliumNetworkPolicy") => {
            Some(|object, reader| cilium::policies(object, Dialect::Modern, Scope::Namespace, reader))
        }
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy") => {
            Some(|object, reader| cilium::policies(object, Dialect::Modern, Scope::Cluster, reader))
        }
        ("cilium.io/v1", "CiliumNetworkPolicy") => {
            Some(|object, reader| cilium::policies(object, Dialect::Legacy, Scope::Namespace, reader))
        }
        ("networking.k8s.io/v1", "NetworkPolicy") => Some(kubernetes::policy),
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy") => Some(cluster::policy),
        (version, cidr_group::KIND) if cidr_group::VERSIONS.contains(&version) => Some(cidr_group::found),
        _ => None,
    }
}

/// What a document says it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind<'n> {
    pub(crate) version: &'n str,
    pub(crate) name: &'n str,
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.name)
    }
}

impl<'n> Kind<'n> {
    /// The kind of the items, if this is a list: `v1 List` has items that say it themselves.
    #[expect(clippy::option_option, reason = "no list, a list of anything, a list of one kind")]
    pub(crate) fn of_items(self) -> Option<Option<Kind<'n>>> {
        match (self.version, self.name) {
            ("v1", "List") => Some(None),
            (version, name) => name.strip_suffix("List").map(|name| Some(Kind { version, name })),
        }
    }
}

/// What a document is. The items of a typed list, as an API server gives it, need not say it again.
pub(crate) fn version_and_kind<'n>(
    object: &mut Object<'n>,
    of_list: Option<Kind<'n>>,
    reader: &mut Reader<'_>,
) -> Option<Kind<'n>> {
    if let Some(kind) = of_list
        && !object.has("apiVersion")
        && !object.has("kind")
    {
        return Some(kind);
    }
    let version = object.require("apiVersion", reader).and_then(|at| at.string(reader));
    let name = object.require("kind", reader).and_then(|at| at.string(reader));
    let kind = Kind { version: version?, name: name? };
    if let Some(expected) = of_list.filter(|expected| *expected != kind) {
        let message = format!("{kind} stands in a list of {expected}");
        reader.error(&object.at, Code::Conflict, message, "a list of anything is v1 List");
        return None;
    }
    Some(kind)
}

fn read_list<'n>(
    mut object: Object<'n>,
    of_list: Option<Kind<'n>>,
    reader: &mut Reader<'_>,
    found: &mut Vec<Found<'n>>,
) {
    let items = object.require("items", reader).and_then(|at| at.list(reader));
    object.ignore("metadata");
    object.finish(&["items"], &[], reader);
    for at in items.into_iter().flatten() {
        read(&at, of_list, reader, found);
    }
}

/// The kinds that came before `ClusterNetworkPolicy`, and the tier of each.
const REPLACED: [(&str, &str); 2] =
    [("AdminNetworkPolicy", "Admin"), ("BaselineAdminNetworkPolicy", "Baseline")];

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

fn refuse_kind(at: &At<'_>, kind: Kind<'_>, reader: &mut Reader<'_>) {
    let group = kind.version.split('/').next().unwrap_or_default();
    // Whatever looks like a policy and is none that is known: passing it over would enforce less than was written.
    let name = kind.name.strip_suffix("List").unwrap_or(kind.name);
    let of_policies = ["cilium.io", "policy.networking.k8s.io"].contains(&group)
        && !(group == "cilium.io" && BESIDE_POLICIES.contains(&name));
    if let Some((_, tier)) = REPLACED.iter().find(|(replaced, _)| *replaced == name) {
        let help = format!(
            "write policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy with `tier: {tier}` and a `priority`; \
             Allow is Accept there, `ports` are `protocols`"
        );
        reader.error(at, Code::UnsupportedKind, format!("{kind} was replaced by ClusterNetworkPolicy"), help);
    } else if of_policies || kind.name.to_lowercase().contains("networkpolicy") {
        let help = "expected cilium.io/v2 with CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy or CiliumCIDRGroup, \
                    networking.k8s.io/v1 with NetworkPolicy, policy.networking.k8s.io/v1alpha2 with ClusterNetworkPolicy, \
                    or a List of them";
        reader.error(at, Code::InvalidValue, format!("there is no {kind}"), help);
    } else {
        let help = "policy files hold policies and CIDR groups";
        reader.warning(at, Code::ForeignKind, format!("{kind} is not a policy: it is passed over"), help);
    }
}
