//! The policies: what was read of each, and what of it is in force.

use std::collections::BTreeMap;

use postern_policy_core::labels::LabelSet;
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{PeerSelector, Policy, Subject};
use postern_policy_lang::diagnostic::Severity;
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
    /// The rules in force that select a workload of these labels.
    pub(crate) fn selecting<'e>(&'e self, labels: &'e LabelSet) -> impl Iterator<Item = &'e Policy> {
        self.rules
            .iter()
            .filter(|rule| matches!(&rule.subject, Subject::Endpoints(subject) if subject.matches(labels)))
    }

    fn selects(&self, labels: &LabelSet) -> bool {
        self.selecting(labels).next().is_some()
    }

    /// Whether a peer of these labels is meant by any of its items.
    fn mentions(&self, labels: &LabelSet) -> bool {
        let sections = self.rules.iter().flat_map(|rule| [&rule.ingress, &rule.egress]);
        sections.flat_map(|section| &section.items).any(|item| match &item.peers {
            PeerSelector::Unnamed => false,
            PeerSelector::AnyOf(terms) => terms.iter().any(|term| match term {
                PeerTerm::Endpoints(selector) => selector.matches(labels),
                // Who that is depends on more than labels.
                _ => true,
            }),
        })
    }
}

/// What applying a policy changed.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The rules that were in force before; workloads that they select may change.
    before: Option<Entry>,
    /// Whether anything was read at all.
    pub(crate) changed: bool,
    /// What is wrong, if something is and that is news.
    pub(crate) refused: Option<String>,
}

impl Replaced {
    /// Whether the policy said something of a workload before.
    pub(crate) fn selected(&self, labels: &LabelSet) -> bool {
        self.before.as_ref().is_some_and(|entry| entry.selects(labels))
    }
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
        Replaced { before, changed: true, refused }
    }

    pub(crate) fn remove(&mut self, key: &PolicyKey) -> Replaced {
        let before = self.entries.remove(key);
        Replaced { changed: before.is_some(), before, refused: None }
    }

    pub(crate) fn get(&self, key: &PolicyKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PolicyKey, &Entry)> {
        self.entries.iter()
    }

    /// The policies that select a workload of these labels.
    pub(crate) fn selecting(&self, labels: &LabelSet) -> impl Iterator<Item = &PolicyKey> {
        self.entries.iter().filter(|(_, entry)| entry.selects(labels)).map(|(key, _)| key)
    }

    /// The policies that mean a peer of these labels.
    pub(crate) fn mentioning(&self, labels: &LabelSet) -> impl Iterator<Item = &PolicyKey> {
        self.entries.iter().filter(|(_, entry)| entry.mentions(labels)).map(|(key, _)| key)
    }

    /// Whether a policy selects a workload of these labels.
    pub(crate) fn selects(&self, key: &PolicyKey, labels: &LabelSet) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.selects(labels))
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
    // Lines and columns are those of a JSON text that nobody has seen: the field says where.
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let quote = |diagnostic: &postern_policy_lang::diagnostic::Diagnostic| {
        let field = match diagnostic.field.as_str() {
            "" => String::new(),
            field => format!("{field}: "),
        };
        let help = diagnostic.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{field}{}{help}", diagnostic.message)
    };
    let quotes: Vec<String> = errors.map(quote).collect();
    let mut message = match quotes.is_empty() {
        true => "the object is no policy".to_owned(),
        false => quotes.iter().take(QUOTED).map(String::as_str).collect::<Vec<_>>().join("; "),
    };
    if let Some(more) = quotes.len().checked_sub(QUOTED).filter(|more| *more > 0) {
        message = format!("{message}; and {more} more");
    }
    if message.chars().count() > message_limit {
        message = message.chars().take(message_limit.saturating_sub(1)).chain(['…']).collect();
    }
    Err(message)
}
