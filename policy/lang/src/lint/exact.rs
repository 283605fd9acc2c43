//! Shadowed HTTP rules in a world: by the identities that rules name, not by what selectors imply.

use std::collections::{BTreeMap, BTreeSet};

use postern_policy_core::endpoint::{Action, DirectionPolicy, Peers, Ports, Rule, Tier};
use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::port::Protocol;
use postern_policy_core::resolve::resolve;
use postern_policy_core::world::World;

use super::Lint;
use super::grant::DIRECTIONS;
use super::sink::{Said, Sink};

/// HTTP rules that are void for every workload that they are for.
pub(super) fn shadowed(policies: &[Policy], world: &World, sink: &mut Sink<'_>) {
    // Addresses that two have were reported with the inventory.
    let Ok(identities) = world.identities(policies) else { return };
    let mut void: BTreeMap<RuleId, RuleId> = BTreeMap::new();
    let mut alive: BTreeSet<RuleId> = BTreeSet::new();
    for workload in world.workloads() {
        let resolved = resolve(policies, world, &identities, workload);
        for direction in DIRECTIONS {
            let rules = resolved.direction(direction);
            for rule in &rules.rules {
                if !matches!(rule.action, Action::Http(_)) || is_nobody(rule) {
                    continue;
                }
                if !sink.may_compare(rules.rules.len(), &rule.id) {
                    return;
                }
                match plain_over(rules, rule) {
                    Some(plain) => {
                        void.insert(rule.id.clone(), plain.id.clone());
                    }
                    None => {
                        alive.insert(rule.id.clone());
                    }
                }
            }
        }
    }
    void.retain(|id, _| !alive.contains(id));
    for (id, plain) in void {
        let known = sink.findings.iter().any(|found| {
            found.diagnostic.code.lint() == Some(Lint::HttpShadowedByPlainAllow)
                && found.diagnostic.span == sink.place(&id).span
                && found.diagnostic.file == sink.place(&id).file
        });
        if known {
            continue;
        }
        let message = format!(
            "no request is held against these HTTP rules: {plain} allows the same port to the same workloads plainly"
        );
        let help = "allowances add to each other: take the port or the peers out of the plain one";
        sink.rule(&id, Said::warning(Lint::HttpShadowedByPlainAllow, message, help));
    }
}

fn is_nobody(rule: &Rule) -> bool {
    matches!(&rule.peers, Peers::Only(peers) if peers.is_empty())
        || matches!(&rule.ports, Ports::Only(ports) if ports.is_empty())
}

fn plain_over<'r>(rules: &'r DirectionPolicy, http: &Rule) -> Option<&'r Rule> {
    rules.rules.iter().map(AsRef::as_ref).find(|rule| {
        rule.tier == Tier::Normal
            && rule.action == Action::Allow
            && over_peers(rule, http)
            && over_ports(rule, http)
    })
}

fn over_peers(wide: &Rule, narrow: &Rule) -> bool {
    match (&wide.peers, &narrow.peers) {
        (Peers::Any, _) => true,
        (Peers::Only(_), Peers::Any) => false,
        (Peers::Only(wide), Peers::Only(narrow)) => narrow.is_subset(wide),
    }
}

fn over_ports(wide: &Rule, narrow: &Rule) -> bool {
    let (Ports::Only(wide), Ports::Only(narrow)) = (&wide.ports, &narrow.ports) else {
        return wide.ports == Ports::All;
    };
    // HTTP rules speak of TCP alone.
    narrow.iter().all(|narrow| {
        wide.iter().any(|wide| {
            wide.protocol.means(Protocol::Tcp) && wide.first <= narrow.first && narrow.last <= wide.last
        })
    })
}
