//! Coverage: the rules of the tested policies that no case decides.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_policy_core::policy::{
    Combination, Item, PeerSelector, Policy, PortRule, PortSelector, RuleId, Subject,
};
use postern_policy_lang::source::Location;

/// Which rules have decided a case so far.
#[derive(Debug, Default)]
pub struct Coverage {
    /// By the file of its policy: two files may hold versions of one policy.
    rules: BTreeMap<(String, RuleId), Tally>,
}

#[derive(Debug)]
struct Tally {
    place: Location,
    quarantined: Option<Arc<str>>,
    decided: bool,
}

/// How much of the policies is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageReport {
    /// How many rules there are.
    pub rules: usize,
    /// The rules that no case decides, in the order of their files.
    pub undecided: Vec<Undecided>,
}

/// A rule that no case decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The rule.
    pub rule: RuleId,
    /// Where it stands.
    pub place: Location,
    /// Why it is not enforced, if it is not.
    pub quarantined: Option<Arc<str>>,
}

impl Coverage {
    /// Adds the rules of some policies, and where they stand. Those that are known already stay as they are.
    pub fn add(&mut self, policies: &[Policy], places: &BTreeMap<RuleId, Location>) {
        for policy in policies {
            for (rule, quarantined) in decidable(policy) {
                let Some((file, place)) = file(&policy.id, places).zip(nearest_place(&rule, places)) else {
                    continue;
                };
                let tally = Tally { place: place.clone(), quarantined, decided: false };
                self.rules.entry((file.to_owned(), rule)).or_insert(tally);
            }
        }
    }

    /// Marks the rules that decided a case. What is no rule of a policy, such as the implicit one for a
    /// workload's own node, is left out.
    pub fn decided<'r>(
        &mut self,
        rules: impl IntoIterator<Item = &'r RuleId>,
        places: &BTreeMap<RuleId, Location>,
    ) {
        for rule in rules {
            let Some(place) = nearest_place(rule, places) else { continue };
            if let Some(tally) = self.rules.get_mut(&(place.file.clone(), rule.clone())) {
                tally.decided = true;
            }
        }
    }

    /// What has been gathered.
    pub fn report(&self) -> CoverageReport {
        let undecided = self.rules.iter().filter(|(_, tally)| !tally.decided);
        let mut undecided: Vec<Undecided> = undecided
            .map(|((_, rule), tally)| Undecided {
                rule: rule.clone(),
                place: tally.place.clone(),
                quarantined: tally.quarantined.clone(),
            })
            .collect();
        undecided.sort_by(|a, b| {
            let key = |rule: &Undecided| (rule.place.file.clone(), rule.place.span.start);
            key(a).cmp(&key(b))
        });
        CoverageReport { rules: self.rules.len(), undecided }
    }
}

impl CoverageReport {
    /// How many rules decide a case.
    pub fn decided(&self) -> usize {
        self.rules.saturating_sub(self.undecided.len())
    }

    /// The decided ones in tenths of a percent, rounded down: 1000 means every rule.
    pub fn per_mille(&self) -> usize {
        self.decided().saturating_mul(1000).checked_div(self.rules).unwrap_or(1000)
    }
}

fn file<'l>(policy: &RuleId, places: &'l BTreeMap<RuleId, Location>) -> Option<&'l str> {
    places.get(policy).map(|place| place.file.as_str())
}

/// Where a rule stands, or else the closest thing around it whose place is known.
fn nearest_place<'l>(rule: &RuleId, places: &'l BTreeMap<RuleId, Location>) -> Option<&'l Location> {
    let mut name = rule.as_str();
    loop {
        if let Some(place) = places.get(&RuleId::new(name)) {
            return Some(place);
        }
        (name, _) = name.rsplit_once('/')?;
    }
}

/// Every name within a policy that a case may expect, the policy's own included.
pub(crate) fn names(policy: &Policy) -> Vec<RuleId> {
    let mut names = vec![policy.id.clone()];
    for item in policy.ingress.items.iter().chain(&policy.egress.items) {
        names.push(item.id.clone());
        for rule in port_rules(item) {
            names.push(rule.id.clone());
            names.extend(rule.http.iter().flat_map(|http| http.iter()).map(|http| http.id.clone()));
        }
    }
    names
}

/// The rules of a policy that may decide something: its HTTP rules, ports without such, and items without ports.
fn decidable(policy: &Policy) -> Vec<(RuleId, Option<Arc<str>>)> {
    // Of node policies nothing is enforced yet.
    if let Subject::Nodes(_) = policy.subject {
        return Vec::new();
    }
    let sections = [&policy.ingress, &policy.egress];
    let of_section = |items: &[Item]| -> Vec<(RuleId, Option<Arc<str>>)> {
        // In the legacy dialect peers hang on the ports of the other items, where these name any.
        let gated = policy.combination == Combination::Gates
            && items.iter().any(|item| item.ports != PortSelector::Unnamed && !is_silent(item));
        let deciding = items.iter().filter(|item| !gated || item.ports != PortSelector::Unnamed);
        deciding.flat_map(of_item).collect()
    };
    sections.into_iter().flat_map(|section| of_section(&section.items)).collect()
}

fn is_silent(item: &Item) -> bool {
    item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new())
}

fn of_item(item: &Item) -> Vec<(RuleId, Option<Arc<str>>)> {
    if item.ports == PortSelector::Unnamed {
        return vec![(item.id.clone(), item.unenforced.clone())];
    }
    let of_rule = |rule: &PortRule| {
        let unenforced = item.unenforced.as_ref().or(rule.unenforced.as_ref());
        match &rule.http {
            // What is not enforced decides by its port, whatever its HTTP rules say.
            Some(http) if unenforced.is_none() && !http.is_empty() => {
                http.iter().map(|http| (http.id.clone(), http.quarantined().map(|(_, why)| why))).collect()
            }
            _ => vec![(rule.id.clone(), unenforced.cloned())],
        }
    };
    port_rules(item).iter().flat_map(of_rule).collect()
}

fn port_rules(item: &Item) -> &[PortRule] {
    match &item.ports {
        PortSelector::Unnamed => &[],
        PortSelector::AnyOf(rules) => rules,
    }
}
