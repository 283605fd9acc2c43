//! `CiliumCIDRGroup`: a named set of networks that policies refer to. It may stand among policies or in an inventory.

use std::collections::BTreeMap;

use postern_policy_core::policy::RuleId;
use postern_policy_core::world::{CidrGroup, World};

use crate::cidr::prefix;
use crate::decode::{Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::{Content, Found, Policies};
use crate::metadata::cluster_metadata;

/// The versions that the kind has.
pub(crate) const VERSIONS: [&str; 2] = ["cilium.io/v2", "cilium.io/v2alpha1"];
/// The kind.
pub(crate) const KIND: &str = "CiliumCIDRGroup";

/// Reads one group. `None` means that an error was reported.
pub(crate) fn read(mut object: Object<'_>, reader: &mut Reader<'_>) -> Option<CidrGroup> {
    let metadata = cluster_metadata(&mut object, reader);
    object.ignore("status");
    let spec = object.require("spec", reader).and_then(|at| at.object(reader));
    object.finish(&["apiVersion", "kind", "metadata", "spec"], &[], reader);
    let mut spec = spec?;
    let networks = spec.require("externalCIDRs", reader).and_then(|at| at.list(reader));
    spec.finish(&["externalCIDRs"], &[], reader);
    // Each of them, so that every wrong one is named.
    let prefixes: Vec<_> = networks?.iter().map(|at| prefix(at, reader)).collect();
    let metadata = metadata?;
    let prefixes = prefixes.into_iter().collect::<Option<_>>()?;
    Some(CidrGroup { name: metadata.name, labels: metadata.labels, prefixes })
}

/// The same, as a document among policies.
pub(crate) fn found<'n>(object: Object<'n>, reader: &mut Reader<'_>) -> Option<Found<'n>> {
    let at = object.at.clone();
    let group = read(object, reader)?;
    Some(Found { at, id: id(&group), annotations: BTreeMap::new(), content: Content::CidrGroup(group) })
}

/// What a group is called where places are looked up.
pub(crate) fn id(group: &CidrGroup) -> RuleId {
    RuleId::new(format!("cidrgroup/{}", group.name))
}

impl Policies {
    /// Puts the CIDR groups that stand among the policies into a world, which may know some of them already. Where it knows
    /// another group of the same name, that is an error: which of the two is meant cannot be told.
    pub fn add_cidr_groups(&self, world: &mut World) -> Vec<Diagnostic> {
        let known: BTreeMap<String, CidrGroup> =
            world.cidr_groups().map(|group| (group.name.clone(), group.clone())).collect();
        let mut diagnostics = Vec::new();
        for group in &self.cidr_groups {
            match known.get(&group.name) {
                Some(same) if same == group => {}
                Some(_) => diagnostics.extend(self.two_groups(group)),
                // Its name is new: among policies, none is given twice.
                None => drop(world.add_cidr_group(group.clone())),
            }
        }
        diagnostics
    }

    fn two_groups(&self, group: &CidrGroup) -> Option<Diagnostic> {
        let place = self.places.get(&id(group))?;
        Some(Diagnostic {
            severity: Severity::Error,
            code: Code::Conflict,
            message: format!("the inventory has another CIDR group {}", group.name),
            file: place.file.clone(),
            span: place.span,
            field: place.field.clone(),
            help: Some("keep one of the two".to_owned()),
        })
    }
}
