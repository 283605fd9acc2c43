//! Implication: whether one selector, peer list or port list says no more than another.
//!
//! "Yes" is a proof for every world; "no" is not.

use ipnet::IpNet;
use postern_policy_core::labels::{CLUSTER, NAMESPACE};
use postern_policy_core::peer::{CidrTerm, Entity, PeerTerm};
use postern_policy_core::policy::{Policy, Subject};
use postern_policy_core::port::{PortRange, PortSpec, Protocol};
use postern_policy_core::selector::{Operator, Requirement, Selector};

use super::grant::{Peers, Ports};

/// Whether every subject of `narrow` is one of `wide`.
pub(super) fn subjects(narrow: &Policy, wide: &Policy) -> bool {
    match (&narrow.subject, &wide.subject) {
        (Subject::Endpoints(narrow), Subject::Endpoints(wide)) => selector(narrow, wide),
        _ => false,
    }
}

/// Whether nothing can be a subject of both: some label would have to have two values.
pub(super) fn disjoint(a: &Policy, b: &Policy) -> bool {
    let (Subject::Endpoints(a), Subject::Endpoints(b)) = (&a.subject, &b.subject) else { return true };
    a.requirements.iter().any(|one| {
        b.requirements.iter().any(|other| match (&one.operator, &other.operator) {
            (Operator::In(these), Operator::In(those)) => {
                one.key == other.key && !these.iter().any(|value| those.contains(value))
            }
            _ => false,
        })
    })
}

/// The one namespace that a policy's subjects are in.
pub(super) fn own_namespace(policy: &Policy) -> Option<&str> {
    match &policy.subject {
        Subject::Endpoints(selector) => namespace(selector),
        Subject::Nodes(_) => None,
    }
}

/// The one namespace that a selector looks in.
pub(super) fn namespace(selector: &Selector) -> Option<&str> {
    selector.requirements.iter().find_map(|requirement| match &requirement.operator {
        Operator::In(values) if requirement.key.key == NAMESPACE => match values.as_slice() {
            [namespace] => Some(namespace.as_str()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether all that `narrow` selects is selected by `wide`.
pub(super) fn selector(narrow: &Selector, wide: &Selector) -> bool {
    let implied = |needed: &Requirement| narrow.requirements.iter().any(|given| requirement(given, needed));
    wide.requirements.iter().all(implied)
}

fn requirement(given: &Requirement, needed: &Requirement) -> bool {
    if given.key.key != needed.key.key {
        return false;
    }
    let same = given.key.source == needed.key.source;
    // A key without a source means any: more may have it, and fewer may lack it.
    let wider = same || needed.key.source.is_none();
    let narrower = same || given.key.source.is_none();
    match (&given.operator, &needed.operator) {
        (Operator::In(values), Operator::In(wanted)) => {
            wider && values.iter().all(|value| wanted.contains(value))
        }
        (Operator::In(_) | Operator::Exists, Operator::Exists) => wider,
        (Operator::In(values), Operator::NotIn(unwanted)) => {
            same && given.key.source.is_some() && !values.iter().any(|value| unwanted.contains(value))
        }
        (Operator::NotIn(values), Operator::NotIn(unwanted)) => {
            narrower && unwanted.iter().all(|value| values.contains(value))
        }
        (Operator::DoesNotExist, Operator::NotIn(_) | Operator::DoesNotExist) => narrower,
        _ => false,
    }
}

/// Whether `wide` speaks of every peer of `narrow`.
pub(super) fn peers(narrow: &Peers<'_>, wide: &Peers<'_>) -> bool {
    match (narrow, wide) {
        (_, Peers::Anyone) => true,
        (_, Peers::These(terms)) if terms.contains(&&PeerTerm::Entity(Entity::All)) => true,
        (Peers::Anyone, Peers::These(_)) => false,
        (Peers::These(terms), Peers::These(wide)) => terms.iter().all(|term| within(term, wide)),
    }
}

/// Whether one of `wide` speaks of all that `term` does.
pub(super) fn within(term: &PeerTerm, wide: &[&PeerTerm]) -> bool {
    wide.iter().any(|wide| peer(term, wide))
}

fn peer(narrow: &PeerTerm, wide: &PeerTerm) -> bool {
    match (narrow, wide) {
        (_, PeerTerm::Entity(Entity::All)) => true,
        (PeerTerm::Endpoints(narrow), PeerTerm::Endpoints(wide)) => {
            // A selector that names no cluster means the local one.
            (names(wide, CLUSTER) || !names(narrow, CLUSTER)) && selector(narrow, wide)
        }
        (PeerTerm::Endpoints(selector), PeerTerm::Entity(entity)) => {
            let pods = selector.requirements.iter().any(|requirement| {
                requirement.key.key == NAMESPACE
                    && matches!(requirement.operator, Operator::In(_) | Operator::Exists)
            });
            match entity {
                Entity::Cluster => pods && !names(selector, CLUSTER),
                Entity::ClusterMesh => pods,
                _ => false,
            }
        }
        (PeerTerm::Nodes(narrow), PeerTerm::Nodes(wide)) => selector(narrow, wide),
        (PeerTerm::Nodes(_), PeerTerm::Entity(entity)) => {
            matches!(entity, Entity::RemoteNode | Entity::Cluster | Entity::ClusterMesh)
        }
        (PeerTerm::Cidr(narrow), PeerTerm::Cidr(wide)) => cidr(narrow, wide),
        (PeerTerm::Cidr(_) | PeerTerm::CidrGroup(_), PeerTerm::Entity(entity)) => *entity == Entity::World,
        (PeerTerm::Entity(narrow), PeerTerm::Entity(wide)) => entity(*narrow, *wide),
        (narrow, wide) => narrow == wide,
    }
}

fn names(selector: &Selector, key: &str) -> bool {
    selector.requirements.iter().any(|requirement| requirement.key.key == key)
}

fn cidr(narrow: &CidrTerm, wide: &CidrTerm) -> bool {
    let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    let left_out = |hole: &IpNet| narrow.except.iter().any(|except| except.contains(hole));
    wide.net.contains(&narrow.net)
        && wide.except.iter().filter(|hole| overlap(hole, &narrow.net)).all(left_out)
}

fn entity(narrow: Entity, wide: Entity) -> bool {
    narrow == wide
        || match wide {
            Entity::All => true,
            Entity::ClusterMesh => {
                matches!(narrow, Entity::Cluster | Entity::Host | Entity::RemoteNode)
            }
            Entity::Cluster => matches!(narrow, Entity::Host | Entity::RemoteNode),
            _ => false,
        }
}

/// Whether `wide` speaks of every port of `narrow`.
pub(super) fn ports(narrow: Ports<'_>, wide: Ports<'_>) -> bool {
    match (narrow, wide) {
        (_, Ports::All) => true,
        (Ports::All, Ports::These(_)) => false,
        (Ports::These(ports), Ports::These(wide)) => {
            ports.iter().all(|port| wide.iter().any(|wide| one_port(port, wide)))
        }
    }
}

fn one_port(narrow: &PortSpec, wide: &PortSpec) -> bool {
    match (narrow, wide) {
        (PortSpec::Numbers(narrow), PortSpec::Numbers(wide)) => range(narrow, wide),
        (PortSpec::Named { protocol, .. }, PortSpec::Numbers(wide)) => {
            let whole = PortRange::whole(*protocol);
            range(&whole, wide)
        }
        (narrow, wide) => narrow == wide,
    }
}

fn range(narrow: &PortRange, wide: &PortRange) -> bool {
    let protocols = Protocol::EVERY.into_iter().filter(|protocol| narrow.protocol.means(*protocol));
    wide.first <= narrow.first && narrow.last <= wide.last && {
        let mut protocols = protocols;
        protocols.all(|protocol| wide.protocol.means(protocol))
    }
}
