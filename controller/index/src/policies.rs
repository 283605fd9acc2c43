//! The policies: what was read of each, and what of it is in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{Effect, Item, Mode, PeerSelector, Policy, RuleId};
use postern_policy_core::world::World;
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::source::SourceFile;
use postern_policy_lang::{load_policies, salvage};

use crate::event::{PolicyKey, PolicyObject};
use crate::status::InForce;

/// How many findings a status quotes.
const QUOTED: usize = 4;

/// One policy.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) valid: Result<(), String>,
    pub(crate) in_force: InForce,
    rules: Vec<Policy>,
}

impl Entry {
    /// The rules of it that are in force.
    pub(crate) fn rules(&self) -> &[Policy] {
        &self.rules
    }

    /// Whether it is only audited.
    pub(crate) fn audited(&self) -> bool {
        !self.rules.is_empty() && self.rules.iter().all(|rule| rule.mode == Mode::Audit)
    }

    /// The rules of it that no data plane enforces, and why, in one line.
    pub(crate) fn quarantined(&self, world: &World, message_limit: usize) -> Option<String> {
        let of_rules = self.rules.iter().flat_map(Policy::quarantined);
        let of_groups = self.rules.iter().flat_map(|rule| without_group(rule, world));
        let said = |(id, why): (RuleId, Arc<str>)| format!("{id}: {why}");
        let all: Vec<String> = of_rules.chain(of_groups).map(said).collect();
        (!all.is_empty()).then(|| joined(&all, message_limit))
    }
}

/// Denials of groups that do not exist: they deny all that such a group might hold.
fn without_group<'p>(policy: &'p Policy, world: &'p World) -> impl Iterator<Item = (RuleId, Arc<str>)> + 'p {
    let items = policy.ingress.items.iter().chain(&policy.egress.items);
    let missing = |item: &Item| {
        let PeerSelector::AnyOf(terms) = &item.peers else { return false };
        terms.iter().any(|term| match term {
            PeerTerm::CidrGroup(term) => !world.cidr_groups().any(|group| term.groups.means(group)),
            _ => false,
        })
    };
    let why = "the CIDR group does not exist: everybody outside the cluster is denied";
    items
        .filter(move |item| item.effect == Effect::Deny && missing(item))
        .map(move |item| (item.id.clone(), why.into()))
}

/// What applying a policy changed.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// Whether anything was read at all.
    pub(crate) changed: bool,
    /// What is wrong, if something is and that is news.
    pub(crate) refused: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    entries: BTreeMap<PolicyKey, Entry>,
}

impl Policies {
    /// Takes a policy. One that cannot be read keeps the rules that were read of it before; see the crate's text.
    pub(crate) fn set(&mut self, object: PolicyObject, message_limit: usize) -> Replaced {
        let PolicyObject { key, uid, generation, text } = object;
        let known = self
            .entries
            .get(&key)
            .is_some_and(|entry| entry.uid == uid && entry.generation == generation && generation != 0);
        if known {
            return Replaced::default();
        }
        let before = self.entries.remove(&key);
        let file = SourceFile { name: key.to_string(), text };
        let (valid, rules, in_force) = match read(&file, message_limit) {
            Ok(rules) => (Ok(()), rules, InForce::Current),
            Err(problem) => {
                let last_good = before.as_ref().filter(|entry| {
                    entry.uid == uid && matches!(entry.in_force, InForce::Current | InForce::LastGood)
                });
                let (rules, in_force) = match last_good {
                    Some(entry) => (entry.rules.clone(), InForce::LastGood),
                    None => closed(&file),
                };
                (Err(problem), rules, in_force)
            }
        };
        let news = before.as_ref().is_none_or(|before| before.uid != uid || before.valid != valid);
        let refused = match &valid {
            Err(problem) if news => Some(format!("{problem}; {}", in_force.describe())),
            _ => None,
        };
        self.entries.insert(key, Entry { uid, generation, valid, in_force, rules });
        Replaced { changed: true, refused }
    }

    pub(crate) fn remove(&mut self, key: &PolicyKey) {
        self.entries.remove(key);
    }

    pub(crate) fn get(&self, key: &PolicyKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PolicyKey, &Entry)> {
        self.entries.iter()
    }
}

fn closed(file: &SourceFile) -> (Vec<Policy>, InForce) {
    let rules = salvage(file);
    let in_force = if rules.is_empty() { InForce::Nothing } else { InForce::Closed };
    (rules, in_force)
}

fn read(file: &SourceFile, message_limit: usize) -> Result<Vec<Policy>, String> {
    let loaded = load_policies(std::slice::from_ref(file));
    if !loaded.has_errors() && !loaded.policies.is_empty() {
        return Ok(loaded.policies);
    }
    Err(quote(&loaded.diagnostics, "the object is no policy", message_limit))
}

/// The errors among some findings, in one line; `none` where there are none.
pub(crate) fn quote(diagnostics: &[Diagnostic], none: &str, limit: usize) -> String {
    // Lines and columns are those of a JSON text that nobody has seen: the field says where.
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let quote = |diagnostic: &Diagnostic| {
        let field = match diagnostic.field.as_str() {
            "" => String::new(),
            field => format!("{field}: "),
        };
        let help = diagnostic.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{field}{}{help}", diagnostic.message)
    };
    let quotes: Vec<String> = errors.map(quote).collect();
    if quotes.is_empty() { none.to_owned() } else { joined(&quotes, limit) }
}

/// The first of some findings, no longer than the limit.
fn joined(findings: &[String], limit: usize) -> String {
    let mut message = findings.iter().take(QUOTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if let Some(more) = findings.len().checked_sub(QUOTED).filter(|more| *more > 0) {
        message = format!("{message}; and {more} more");
    }
    if message.chars().count() > limit {
        message = message.chars().take(limit.saturating_sub(1)).chain(['…']).collect();
    }
    message
}
