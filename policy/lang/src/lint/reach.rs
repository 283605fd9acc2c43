//! Lints of rules that others make void.

use postern_policy_core::policy::{Combination, Effect, Mode, OrderedTier, Policy, RuleId};

use super::Lint;
use super::cover;
use super::grant::{ByNamespace, Grant, Peers, Ports};
use super::sink::{Said, Sink};

/// HTTP rules whose connections are allowed plainly as well: no request is then held against them.
pub(super) fn shadowed(all: &[Grant<'_>], sink: &mut Sink<'_>) {
    let enforced = |grant: &&Grant<'_>| grant.policy.mode == Mode::Enforced && !grant.is_void();
    let is_plain = |grant: &&Grant<'_>| {
        grant.is_plain_allow() && !matches!(grant.policy.combination, Combination::Ordered { .. })
    };
    let plain = ByNamespace::new(all.iter().filter(enforced).filter(is_plain));
    let accepted: Vec<&Grant<'_>> = accepted_first(all);
    for grant in all.iter().filter(enforced).filter(|grant| grant.http.is_some()) {
        let beside: Vec<&Grant<'_>> = plain.beside(grant.policy).chain(accepted.iter().copied()).collect();
        if !sink.may_compare(beside.len(), grant.id) {
            return;
        }
        let void = |plain: &&&Grant<'_>| {
            plain.direction == grant.direction
                && cover::subjects(grant.policy, plain.policy)
                && cover::ports(grant.ports, plain.ports)
                && reaches(grant, plain)
        };
        let Some(plain) = beside.iter().find(void) else { continue };
        sink.rule(grant.id, shadow(grant, plain));
    }
}

/// Whether a plain allowance takes peers out of the hands of HTTP rules: all of them, one of those that they name,
/// or, where they name none, those that the same policy lets in on every port.
fn reaches(http: &Grant<'_>, plain: &Grant<'_>) -> bool {
    match (&http.peers, &plain.peers) {
        (_, Peers::Anyone) => true,
        (Peers::These(terms), Peers::These(wide)) => {
            terms.iter().any(|term| cover::within(term, wide)) || cover::peers(&http.peers, &plain.peers)
        }
        (Peers::Anyone, Peers::These(_)) => {
            cover::peers(&http.peers, &plain.peers)
                || (matches!(plain.ports, Ports::All) && http.policy.id == plain.policy.id)
        }
    }
}

pub(super) fn shadow(http: &Grant<'_>, plain: &Grant<'_>) -> Said {
    let whose = match (cover::peers(&http.peers, &plain.peers), plain.ports) {
        (true, Ports::These(_)) => "the port plainly, to the same peers",
        (true, Ports::All) => "every port, to the same peers",
        (false, Ports::These(_)) => "the port plainly, to some of the peers",
        (false, Ports::All) => "every port, to some of the peers",
    };
    let message =
        format!("no request of theirs is held against these HTTP rules: {} allows {whose}", plain.id);
    let help = match http.policy.id == plain.policy.id && http.item.id != plain.item.id {
        true => "items add to each other: put the peers and the HTTP rules into one item",
        false => "allowances add to each other: take the port out of the plain one, or remove it",
    };
    Said::warning(Lint::HttpShadowedByPlainAllow, message, help)
}

/// The administrator's allowances that nothing of the administrator's comes before.
fn accepted_first<'g, 'p>(all: &'g [Grant<'p>]) -> Vec<&'g Grant<'p>> {
    let mut ordered = in_order(all, OrderedTier::Admin);
    let decides_otherwise = |grant: &&Grant<'_>| grant.effect() != Effect::Allow;
    let first = ordered.iter().position(decides_otherwise).unwrap_or(ordered.len());
    ordered.truncate(first);
    ordered.retain(|grant| grant.is_plain_allow() && !grant.is_void());
    ordered
}

/// The enforced rules of a tier, in the order in which they are asked.
fn in_order<'g, 'p>(all: &'g [Grant<'p>], wanted: OrderedTier) -> Vec<&'g Grant<'p>> {
    let place = |policy: &Policy| match policy.combination {
        Combination::Ordered { tier, priority } if tier == wanted => Some(priority),
        _ => None,
    };
    let mut ordered: Vec<(u16, &RuleId, &Grant<'_>)> = all
        .iter()
        .filter(|grant| grant.policy.mode == Mode::Enforced)
        .filter_map(|grant| Some((place(grant.policy)?, &grant.policy.id, grant)))
        .collect();
    ordered.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    ordered.into_iter().map(|(_, _, grant)| grant).collect()
}

/// Allowances that a denial covers, and ordered rules that come after one that covers them.
pub(super) fn unreachable(all: &[Grant<'_>], sink: &mut Sink<'_>) {
    let enforced = |grant: &&Grant<'_>| {
        grant.policy.mode == Mode::Enforced
            && !grant.is_void()
            && !matches!(grant.policy.combination, Combination::Ordered { .. })
    };
    let denials =
        ByNamespace::new(all.iter().filter(enforced).filter(|grant| grant.effect() == Effect::Deny));
    for grant in all.iter().filter(enforced).filter(|grant| grant.effect() == Effect::Allow) {
        let beside: Vec<&Grant<'_>> = denials.beside(grant.policy).collect();
        if !sink.may_compare(beside.len(), grant.id) {
            return;
        }
        if let Some(denial) = beside.iter().find(|denial| covers(denial, grant)) {
            let message = format!("the rule allows nothing: {} denies all of it, and denials win", denial.id);
            let help = "remove one of the two, or make the denial narrower";
            sink.rule(grant.id, Said::warning(Lint::UnreachableRule, message, help));
        }
    }
    for tier in [OrderedTier::Admin, OrderedTier::Baseline] {
        let ordered = in_order(all, tier);
        for (index, grant) in ordered.iter().enumerate().filter(|(_, grant)| !grant.is_void()) {
            if !sink.may_compare(index, grant.id) {
                return;
            }
            let decides = |earlier: &&&Grant<'_>| {
                !earlier.is_void() && (!earlier.quarantined || earlier.effect() != Effect::Allow)
            };
            let earlier = ordered.iter().take(index).filter(decides).find(|earlier| covers(earlier, grant));
            if let Some(earlier) = earlier {
                let message =
                    format!("the rule is never asked: {} comes before it and covers all of it", earlier.id);
                let help = "put it before the other, or remove it";
                sink.rule(grant.id, Said::warning(Lint::UnreachableRule, message, help));
            }
        }
    }
}

fn covers(wide: &Grant<'_>, narrow: &Grant<'_>) -> bool {
    wide.direction == narrow.direction
        && wide.id != narrow.id
        && cover::subjects(narrow.policy, wide.policy)
        && cover::ports(narrow.ports, wide.ports)
        && cover::peers(&narrow.peers, &wide.peers)
}
