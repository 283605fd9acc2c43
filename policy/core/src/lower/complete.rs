//! Lowering with tiers: every peer that a rule names gets entries that hold what all rules together say of it,
//! those for anyone included.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, EntryVerdict, LoweredDirection, Prefix, entry, peers, prefixes};
use crate::decide::Verdict;
use crate::endpoint::{Action, DirectionPolicy, Rule};
use crate::identity::IdentityId;

pub(super) fn lower(policy: &DirectionPolicy) -> LoweredDirection {
    let rules: Vec<(&Rule, Vec<Prefix>)> =
        policy.rules.iter().map(|rule| (&**rule, prefixes(rule))).collect();
    // Peers that the same rules cover get the same entries.
    let mut alike: BTreeMap<Vec<usize>, BTreeSet<Option<IdentityId>>> = BTreeMap::new();
    for peer in named(policy) {
        let covering = rules.iter().enumerate().filter(|(_, (rule, _))| covers(rule, peer));
        alike.entry(covering.map(|(index, _)| index).collect()).or_default().insert(peer);
    }
    let mut entries = Vec::new();
    for (covering, peers) in alike {
        let rules: Vec<_> = covering.into_iter().filter_map(|index| rules.get(index)).collect();
        let verdicts = verdicts(policy, &rules);
        for peer in peers {
            entries.extend(verdicts.iter().map(|(prefix, verdict)| entry(peer, *prefix, *verdict)));
        }
    }
    entries.sort_unstable_by_key(|entry: &Entry| (entry.peer, entry.protocol, entry.port, entry.port_bits));
    LoweredDirection { default_deny: policy.default_deny, complete: true, entries }
}

/// Everybody a rule names, and anyone else.
fn named(policy: &DirectionPolicy) -> BTreeSet<Option<IdentityId>> {
    policy.rules.iter().flat_map(|rule| peers(&rule.peers)).chain([None]).collect()
}

fn covers(rule: &Rule, peer: Option<IdentityId>) -> bool {
    let peers = peers(&rule.peers);
    peers.contains(&None) || peers.contains(&peer)
}

/// The verdict on each prefix that these rules tell apart, those left out that say what is said around them.
fn verdicts(policy: &DirectionPolicy, rules: &[&(&Rule, Vec<Prefix>)]) -> Vec<(Prefix, EntryVerdict)> {
    let told_apart: BTreeSet<Prefix> =
        rules.iter().flat_map(|(_, prefixes)| prefixes.iter().copied()).chain([Prefix::ALL]).collect();
    let mut around: Vec<(Prefix, EntryVerdict)> = Vec::new();
    let mut verdicts = Vec::new();
    for prefix in told_apart {
        while around.last().is_some_and(|(outer, _)| !outer.contains(prefix)) {
            around.pop();
        }
        let covering: Vec<&Rule> = rules
            .iter()
            .filter(|(_, prefixes)| prefixes.iter().any(|own| own.contains(prefix)))
            .map(|(rule, _)| *rule)
            .collect();
        let verdict = verdict(policy, &covering);
        if around.last().map(|(_, outer)| *outer) != Some(verdict) {
            verdicts.push((prefix, verdict));
        }
        around.push((prefix, verdict));
    }
    verdicts
}

fn verdict(policy: &DirectionPolicy, covering: &[&Rule]) -> EntryVerdict {
    let is_covering = |rule: &Rule| covering.iter().any(|covering| std::ptr::eq(*covering, rule));
    let considered = policy.considered(is_covering);
    match policy.connect(&considered).verdict {
        Verdict::Deny => EntryVerdict::Deny,
        Verdict::Allow => EntryVerdict::Allow,
        Verdict::Redirect => {
            let plain: Vec<&Rule> =
                considered.into_iter().filter(|rule| !matches!(rule.action, Action::Http(_))).collect();
            EntryVerdict::Redirect { plain: policy.connect(&plain).verdict == Verdict::Allow }
        }
    }
}
