//! Lints of selectors: whom they could select at all, and whom they do in a world.

use postern_policy_core::labels::{self, K8S, LabelKey, LabelSet, NAMESPACE, NAMESPACE_LABELS, RESERVED};
use postern_policy_core::peer::{PeerTerm, ServiceTerm};
use postern_policy_core::policy::{Direction, Item, PeerSelector, Policy, PortSelector, Subject};
use postern_policy_core::port::{PortSpec, ProtocolMatch};
use postern_policy_core::selector::{Operator, Requirement, Selector};
use postern_policy_core::world::{CidrGroup, Workload, World};

use super::Lint;
use super::cover;
use super::grant::DIRECTIONS;
use super::sink::{Said, Sink};

/// Labels by which people mean a namespace, and which pods do not have.
const NAMESPACE_LIKE: [&str; 3] = ["namespace", "kubernetes.io/metadata.name", "kubernetes.io/namespace"];

/// What exists, prepared for being asked often.
pub(super) struct Known<'w> {
    world: &'w World,
    groups: &'w [CidrGroup],
    workloads: Vec<(&'w Workload, LabelSet)>,
}

impl<'w> Known<'w> {
    pub(super) fn new(world: &'w World, groups: &'w [CidrGroup]) -> Self {
        let workloads =
            world.workloads().map(|workload| (workload, world.identity_labels(workload))).collect();
        Self { world, groups, workloads }
    }

    fn selected<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = &'a Workload> {
        self.workloads.iter().filter(|(_, labels)| selector.matches(labels)).map(|(workload, _)| *workload)
    }
}

/// Looks at every selector of a policy.
pub(super) fn check(policy: &Policy, known: Option<&Known<'_>>, sink: &mut Sink<'_>) {
    if let Subject::Endpoints(selector) = &policy.subject {
        subject(policy, selector, known, sink);
    }
    for direction in DIRECTIONS {
        for item in &policy.section(direction).items {
            let PeerSelector::AnyOf(terms) = &item.peers else {
                named_ports(policy, direction, item, known, sink);
                continue;
            };
            for (index, term) in terms.iter().enumerate() {
                if let Some(said) = peer(policy, term, known) {
                    sink.peer(&item.id, index, terms.len(), said);
                }
            }
            named_ports(policy, direction, item, known, sink);
        }
    }
}

fn subject(policy: &Policy, selector: &Selector, known: Option<&Known<'_>>, sink: &mut Sink<'_>) {
    if let Some(requirement) = never_there(selector) {
        return sink.rule(&policy.id, no_identity(requirement));
    }
    let Some(known) = known else { return };
    if !known.workloads.is_empty() && !known.selected(selector).any(|workload| workload.cluster.is_none()) {
        let message = format!("the policy selects no workload of the inventory: {}", shown(selector));
        let help = "check the labels and the namespace, or add the workloads to the inventory";
        sink.rule(&policy.id, Said::warning(Lint::SelectsNothing, message, help));
    }
}

fn peer(policy: &Policy, term: &PeerTerm, known: Option<&Known<'_>>) -> Option<Said> {
    match term {
        PeerTerm::Endpoints(selector) => endpoints(policy, selector, known),
        PeerTerm::Service(service) => {
            let known = known?;
            (!known.world.services().any(|exists| service.means(exists))).then(|| {
                let what = match service {
                    ServiceTerm::Named(name) => format!("there is no service {name} in the inventory"),
                    ServiceTerm::Labels { .. } => "no service of the inventory has these labels".to_owned(),
                };
                Said::warning(
                    Lint::SelectsNothing,
                    what,
                    "check the name and the namespace; it selects nobody",
                )
            })
        }
        PeerTerm::CidrGroup(term) => {
            let known = known?;
            let exists =
                known.groups.iter().chain(known.world.cidr_groups()).any(|group| term.groups.means(group));
            (!exists).then(|| {
                let message = "the CIDR group is in neither the files nor the inventory";
                let help = "add the CiliumCIDRGroup; without it an allowance allows nobody";
                Said::warning(Lint::SelectsNothing, message, help)
            })
        }
        PeerTerm::Nodes(_) | PeerTerm::Cidr(_) | PeerTerm::Network(_) | PeerTerm::Entity(_) => None,
    }
}

fn endpoints(policy: &Policy, selector: &Selector, known: Option<&Known<'_>>) -> Option<Said> {
    let own = cover::own_namespace(policy);
    let pinned = own.is_some() && cover::namespace(selector) == own;
    let like_namespace = |requirement: &&Requirement| {
        is_positive(requirement) && NAMESPACE_LIKE.contains(&requirement.key.key.as_str())
    };
    let selected = |known: &Known<'_>| known.selected(selector).next().is_some();
    let likely = selector.requirements.iter().find(like_namespace).filter(|_| pinned);
    if let Some(requirement) = likely.filter(|_| !known.is_some_and(selected)) {
        let message = format!(
            "`{}` is looked for on pods of namespace {}, where no selector of this policy names another",
            requirement.key,
            own.unwrap_or_default()
        );
        let help = format!(
            "to mean a namespace by its name, write `k8s:{NAMESPACE}: NAME`; by its labels, `k8s:{NAMESPACE_LABELS}.KEY: VALUE`; in a NetworkPolicy, namespaceSelector"
        );
        return Some(Said::warning(Lint::NamespaceTrap, message, help));
    }
    if let Some(requirement) = never_there(selector) {
        return Some(no_identity(requirement));
    }
    let known = known.filter(|known| !known.workloads.is_empty() && !speaks_of_reserved(selector))?;
    if selected(known) {
        return None;
    }
    let mut elsewhere = selector.clone();
    elsewhere.requirements.retain(|requirement| requirement.key.key != NAMESPACE);
    let other = known.selected(&elsewhere).next().filter(|_| pinned && !elsewhere.requirements.is_empty());
    if let Some(other) = other {
        let message = format!(
            "the selector selects nothing in namespace {}, where peers are looked for, but {} elsewhere",
            own.unwrap_or_default(),
            other.name
        );
        let help =
            format!("if that is meant, add `k8s:{NAMESPACE}: {}` to the selector", other.name.namespace);
        return Some(Said::warning(Lint::NamespaceTrap, message, help));
    }
    let message = format!("the selector selects no workload of the inventory: {}", shown(selector));
    let help = "check the labels and the namespace, or add the workloads to the inventory";
    Some(Said::warning(Lint::SelectsNothing, message, help))
}

/// A name of a port that nobody has means no port.
fn named_ports(
    policy: &Policy,
    direction: Direction,
    item: &Item,
    known: Option<&Known<'_>>,
    sink: &mut Sink<'_>,
) {
    let Some(known) = known.filter(|known| !known.workloads.is_empty()) else { return };
    let PortSelector::AnyOf(rules) = &item.ports else { return };
    let owners = |workload: &Workload, labels: &LabelSet| match (direction, &policy.subject, &item.peers) {
        (Direction::Ingress, Subject::Endpoints(selector), _) => {
            workload.cluster.is_none() && selector.matches(labels)
        }
        (Direction::Ingress, Subject::Nodes(_), _) => false,
        (Direction::Egress, _, PeerSelector::AnyOf(terms)) => terms.iter().any(|term| match term {
            PeerTerm::Endpoints(selector) => selector.matches(labels),
            _ => true,
        }),
        (Direction::Egress, _, PeerSelector::Unnamed) => true,
    };
    let has = |name: &str, protocol: ProtocolMatch| {
        known.workloads.iter().filter(|(workload, labels)| owners(workload, labels)).any(|(workload, _)| {
            workload.ports.iter().any(|port| port.name == name && protocol.means(port.protocol))
        })
    };
    for rule in rules {
        for port in &rule.ports {
            let PortSpec::Named { protocol, name } = port else { continue };
            if has(name, *protocol) {
                continue;
            }
            let whose = match direction {
                Direction::Ingress => "workload that the policy selects",
                Direction::Egress => "peer",
            };
            let message = format!("no {whose} has a port named {name:?}: the rule means no port");
            let help = "check the name and the protocol, or write the port's number";
            sink.rule(&rule.id, Said::warning(Lint::SelectsNothing, message, help));
        }
    }
}

/// A label that must be there and is part of no identity.
fn never_there(selector: &Selector) -> Option<&Requirement> {
    let pod_label = |key: &LabelKey| key.source.as_deref().is_none_or(|source| source == K8S);
    let given = |key: &str| key == NAMESPACE || key.starts_with("io.cilium.k8s.");
    selector.requirements.iter().find(|requirement| {
        let key = &requirement.key;
        is_positive(requirement) && pod_label(key) && !given(&key.key) && !labels::is_identity_label(&key.key)
    })
}

fn no_identity(requirement: &Requirement) -> Said {
    let message = format!("the selector selects nothing: `{}` is no label of an identity", requirement.key);
    let help = "labels that an orchestrator writes are left out of identities: select by a label of your own";
    Said::warning(Lint::SelectsNothing, message, help)
}

fn is_positive(requirement: &Requirement) -> bool {
    matches!(requirement.operator, Operator::In(_) | Operator::Exists)
}

fn speaks_of_reserved(selector: &Selector) -> bool {
    let reserved = |requirement: &Requirement| requirement.key.source.as_deref() == Some(RESERVED);
    selector.requirements.iter().any(reserved)
}

/// A selector as one line.
fn shown(selector: &Selector) -> String {
    let one = |requirement: &Requirement| {
        let key = &requirement.key;
        match &requirement.operator {
            Operator::In(values) => match values.as_slice() {
                [value] => format!("{key}={value}"),
                values => format!("{key} in ({})", values.join(", ")),
            },
            Operator::NotIn(values) => format!("{key} not in ({})", values.join(", ")),
            Operator::Exists => format!("{key} is there"),
            Operator::DoesNotExist => format!("{key} is not there"),
        }
    };
    match selector.requirements.as_slice() {
        [] => "everything".to_owned(),
        requirements => requirements.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
