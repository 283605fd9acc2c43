//! The CIDR groups that were seen.

use std::collections::BTreeMap;

use postern_policy_core::resolver::Resolver;
use postern_policy_core::world::CidrGroup;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

use crate::event::CidrGroupObject;
use crate::policies::quote;

/// The uid of each object, whether it could be read or not.
#[derive(Debug, Default)]
pub(crate) struct CidrGroups {
    seen: BTreeMap<String, String>,
}

impl CidrGroups {
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.seen.keys()
    }

    /// Takes a group, and says what is wrong with it if something is.
    pub(crate) fn set(
        &mut self,
        object: CidrGroupObject,
        resolver: &mut Resolver,
        message_limit: usize,
    ) -> Result<(), String> {
        let CidrGroupObject { name, uid, text } = object;
        let before = self.seen.insert(name.clone(), uid.clone());
        let problem = match read(&name, text, message_limit) {
            Ok(group) => {
                resolver.set_cidr_group(group);
                return Ok(());
            }
            Err(problem) => problem,
        };
        if before.as_ref() != Some(&uid) {
            resolver.remove_cidr_group(&name);
        }
        let in_force = match resolver.world().cidr_group(&name) {
            Some(_) => "its last good version stays in force",
            None => {
                "until it is mended, it allows nobody, and what is denied to it is denied to all outside the cluster"
            }
        };
        Err(format!("{problem}; {in_force}"))
    }

    pub(crate) fn remove(&mut self, name: &str, resolver: &mut Resolver) {
        self.seen.remove(name);
        resolver.remove_cidr_group(name);
    }
}

fn read(name: &str, text: String, message_limit: usize) -> Result<CidrGroup, String> {
    let file = SourceFile { name: format!("cidrgroup/{name}"), text };
    let mut loaded = load_policies(std::slice::from_ref(&file));
    match loaded.cidr_groups.pop().filter(|_| !loaded.has_errors()) {
        Some(group) if group.name == name => Ok(group),
        _ => Err(quote(&loaded.diagnostics, "the object is no CIDR group", message_limit)),
    }
}
