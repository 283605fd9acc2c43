//! Lints of policies as a whole, and of whom their items open them to.

use std::collections::BTreeMap;

use postern_policy_core::peer::{Entity, PeerTerm};
use postern_policy_core::policy::{
    Combination, Direction, Effect, Item, Mode, OrderedTier, PeerSelector, Policy, PortSelector, RuleId,
    Subject,
};

use super::cover;
use super::grant::{DIRECTIONS, Grant, Peers, Ports};
use super::sink::{Said, Sink};
use super::{Lint, raw};

/// HTTP rules without a peer: on ingress everyone is let in to send requests.
pub(super) fn without_peer(grant: &Grant<'_>, sink: &mut Sink<'_>) {
    if grant.http.is_none() || grant.is_void() || !matches!(grant.peers, Peers::Anyone) {
        return;
    }
    if grant.direction == Direction::Egress {
        return;
    }
    let message = "the HTTP rules hold for everyone, the world included: the item names no peer";
    let help = "add `fromEndpoints` to this item; if everyone is meant, write `fromEntities: [all]`";
    sink.rule(grant.id, Said::warning(Lint::HttpWithoutPeer, message, help));
}

/// Allowances of every port from or to everywhere.
pub(super) fn broad(grant: &Grant<'_>, sink: &mut Sink<'_>) {
    if !grant.is_plain_allow() || !matches!(grant.ports, Ports::All) {
        return;
    }
    // To allow all but what is denied is a way to write a policy.
    let items = &grant.policy.section(grant.direction).items;
    if items.iter().any(|item| item.effect == Effect::Deny) {
        return;
    }
    let side = match grant.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let help = "name the ports, or the peers that are meant";
    match &grant.item.peers {
        PeerSelector::Unnamed if grant.direction == Direction::Ingress => {
            let message = "every port is allowed from everyone, the world included: the item names neither peers nor ports";
            sink.rule(&grant.item.id, Said::warning(Lint::BroadWorld, message, help));
        }
        PeerSelector::Unnamed => {}
        PeerSelector::AnyOf(terms) => {
            for (index, term) in terms.iter().enumerate() {
                let Some(what) = everywhere(term) else { continue };
                let message = format!("every port is allowed {side} {what}");
                let said = Said::warning(Lint::BroadWorld, message, help);
                sink.peer(&grant.item.id, index, terms.len(), said);
            }
        }
    }
}

fn everywhere(term: &PeerTerm) -> Option<String> {
    match term {
        PeerTerm::Entity(Entity::All) => Some("everyone, the world included".to_owned()),
        PeerTerm::Entity(Entity::World) => Some("everywhere outside the cluster".to_owned()),
        // Who leaves something out has thought of the rest.
        PeerTerm::Cidr(cidr) if cidr.net.prefix_len() == 0 && cidr.except.is_empty() => {
            Some(format!("everywhere outside the cluster, {}", cidr.net))
        }
        _ => None,
    }
}

/// An empty item of a Cilium policy, which turns default deny on and allows nothing.
pub(super) fn empty_item(policy: &Policy, sink: &mut Sink<'_>) {
    for direction in DIRECTIONS {
        let items = &policy.section(direction).items;
        let is_empty = |item: &&Item| {
            item.peers == PeerSelector::Unnamed && item.ports == PortSelector::AnyOf(Vec::new())
        };
        for item in items.iter().filter(is_empty).filter(|item| item.effect == Effect::Allow) {
            let said = if items.len() == 1 {
                let message = format!("the empty item denies all {direction}: it allows nothing");
                let help = "that is how all is denied here; in a NetworkPolicy it would allow all";
                Said::note(Lint::EmptyItemDenies, message, help)
            } else {
                let message = "the empty item allows nothing: beside other items it means nothing";
                let help = "remove it; to allow everyone, write `fromEntities: [all]` or `toEntities: [all]`";
                Said::warning(Lint::EmptyItemDenies, message, help)
            };
            sink.rule(&item.id, said);
        }
    }
}

/// Denials alone turn default deny on: what they do not speak of is closed too.
pub(super) fn deny_only(policy: &Policy, all: &[Policy], sink: &mut Sink<'_>) {
    for direction in DIRECTIONS {
        let section = policy.section(direction);
        let only = section.items.iter().all(|item| item.effect == Effect::Deny);
        if !section.default_deny || section.items.is_empty() || !only || policy.mode != Mode::Enforced {
            continue;
        }
        if let Combination::Ordered { .. } = policy.combination {
            continue;
        }
        let allows = |other: &&Policy| {
            other.section(direction).items.iter().any(|item| item.effect == Effect::Allow)
                && !cover::disjoint(policy, other)
        };
        if all.iter().any(|other| allows(&other)) || says_default_deny(policy, sink) {
            continue;
        }
        let Some(first) = section.items.first() else { continue };
        let message = format!(
            "only denials: with them default deny is on, so that all other {direction} is denied too"
        );
        let help = format!("add what is allowed, or write `enableDefaultDeny: {{{direction}: false}}`");
        sink.rule(&first.id, Said::warning(Lint::DenyOnly, message, help));
    }
}

/// Whether the rule says itself what it means of default deny.
fn says_default_deny(policy: &Policy, sink: &Sink<'_>) -> bool {
    let location = sink.place(&policy.id);
    if sink.raw.field(&location, "enableDefaultDeny").is_some() {
        return true;
    }
    sink.raw.field(&location, "spec").is_some_and(|spec| raw::child(spec, "enableDefaultDeny").is_some())
}

/// Two policies of one tier and one priority: their names decide which comes first.
pub(super) fn equal_priority(policies: &[Policy], sink: &mut Sink<'_>) {
    let mut seen: BTreeMap<(OrderedTier, u16), &RuleId> = BTreeMap::new();
    for policy in policies.iter().filter(|policy| policy.mode == Mode::Enforced) {
        let Combination::Ordered { tier, priority } = policy.combination else { continue };
        let Some(first) = seen.insert((tier, priority), &policy.id) else { continue };
        let message =
            format!("{first} has priority {priority} too: which of the two comes first, their names decide");
        let help = "give each its own priority";
        sink.rule(&policy.id, Said::warning(Lint::EqualPriority, message, help));
    }
}

/// What is not enforced yet.
pub(super) fn quarantined(policy: &Policy, sink: &mut Sink<'_>) {
    for (id, why) in policy.quarantined() {
        let what = match policy.subject {
            Subject::Nodes(_) => "the policy is not enforced yet",
            Subject::Endpoints(_) => "the rule is not enforced yet",
        };
        let help = "until it is, it opens nothing: if it allows, it allows nothing; if it denies, it denies all that it might mean";
        sink.rule(&id, Said::warning(Lint::Quarantined, format!("{what}: {why}"), help));
    }
}
