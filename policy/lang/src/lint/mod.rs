//! Lints: what is well formed and probably not meant.
//!
//! Every lint has a stable [name](Lint), a page in `docs/lints`, and can be allowed: on an object by the annotation
//! `postern.dev/allow-lint: "name, name"`, or for a whole run by [`Levels`]. A finding is sure where it can be: what
//! cannot be shown from the files (and the world, if one is given) is not reported.

mod allow;
mod cover;
mod exact;
mod expression;
mod fix;
mod grant;
mod name;
mod patterns;
mod raw;
mod reach;
mod sections;
mod sink;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeSet;

use postern_policy_core::policy::{Combination, Subject};
use postern_policy_core::world::World;

use crate::Policies;
use crate::diagnostic::Diagnostic;
use crate::source::SourceFile;

pub use fix::{Fix, Fixed, HttpField, Unfixable, fix};
pub use name::Lint;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub diagnostic: Diagnostic,
    /// How it is mended, where that is certain.
    pub fix: Option<Fix>,
}

/// What a run makes of each lint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// These are not reported.
    pub allow: BTreeSet<Lint>,
    /// These are errors.
    pub deny: BTreeSet<Lint>,
}

/// Everything that is to be said of loaded policies, in the order of the files: what the reader found, and the
/// lints. With a world, selectors are held against what exists.
pub fn lint(files: &[SourceFile], loaded: &Policies, world: Option<&World>, levels: &Levels) -> Vec<Finding> {
    let raw = raw::Raw::new(files);
    let mut sink =
        sink::Sink { raw: &raw, places: &loaded.places, findings: Vec::new(), budget: sink::MOST_COMPARED };
    let policies = &loaded.policies;
    let known = world.map(|world| world::Known::new(world, &loaded.cidr_groups));
    let grants: Vec<grant::Grant<'_>> = policies
        .iter()
        .filter(|policy| matches!(policy.subject, Subject::Endpoints(_)))
        .flat_map(|policy| {
            grant::DIRECTIONS.into_iter().flat_map(|direction| grant::grants(policy, direction))
        })
        .collect();
    for grant in &grants {
        patterns::check(grant, &mut sink);
        sections::without_peer(grant, &mut sink);
        // An administrator's allowance is meant for all; what it overrides is for the administrator to say.
        if !matches!(grant.policy.combination, Combination::Ordered { .. }) {
            sections::broad(grant, &mut sink);
        }
    }
    reach::shadowed(&grants, &mut sink);
    reach::unreachable(&grants, &mut sink);
    for policy in policies {
        sections::empty_item(policy, &mut sink);
        sections::quarantined(policy, &mut sink);
        // What a refused document would have allowed is not known.
        if !loaded.has_errors() {
            sections::deny_only(policy, policies, &mut sink);
        }
        world::check(policy, known.as_ref(), &mut sink);
    }
    sections::equal_priority(policies, &mut sink);
    if let Some(world) = world {
        exact::shadowed(policies, world, &mut sink);
    }
    let read = loaded.diagnostics.iter().cloned().map(|diagnostic| Finding { diagnostic, fix: None });
    let mut findings = allow::apply(read.chain(sink.findings).collect(), &raw, loaded.has_errors(), levels);
    let place_of = |name: &str| files.iter().position(|file| file.name == name);
    findings.sort_by_key(|finding| (place_of(&finding.diagnostic.file), finding.diagnostic.span.start));
    findings
}
