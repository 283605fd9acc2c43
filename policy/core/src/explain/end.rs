//! The ends of the traffic: who is meant, and what is known of them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{ExplainError, Explainer, PortRef, Question};
use crate::identity::{IdentityId, Who};
use crate::world::{NamedPort, Service, Workload, WorkloadName, World};

/// One end of the traffic that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A workload, by name.
    Workload(WorkloadName),
    /// A node, by name.
    Node(String),
    /// An address, whoever has it.
    Address(IpAddr),
}

impl End {
    /// Reads an address, `node/NAME`, `NAMESPACE/NAME`, or the name of a workload in namespace `default`.
    pub fn parse(text: &str) -> Self {
        match (text.parse::<IpAddr>(), text.strip_prefix("node/")) {
            (Ok(address), _) => Self::Address(address.to_canonical()),
            (_, Some(node)) => Self::Node(node.to_owned()),
            (_, None) => Self::Workload(WorkloadName::parse(text)),
        }
    }
}

/// One end, found in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The workload's name, `node/NAME`, or the address.
    pub name: String,
    /// What it is.
    pub kind: PartyKind,
    /// Its identity.
    pub identity: IdentityId,
    /// The workload, if it is one.
    pub workload: Option<WorkloadName>,
}

/// What an end is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartyKind {
    /// A workload.
    Workload,
    /// The node of this name.
    Node(String),
    /// An address outside the cluster, in this prefix: the longest that anything names.
    Prefix(IpNet),
    /// An address that nothing claims and no prefix holds.
    World,
}

impl Party {
    /// The name, and of an address whose it is.
    pub fn describe(&self) -> String {
        match &self.kind {
            PartyKind::Workload => self.name.clone(),
            PartyKind::Node(node) if self.name.ends_with(node) => self.name.clone(),
            PartyKind::Node(node) => format!("{} (node {node})", self.name),
            PartyKind::Prefix(net) => format!("{} (world, in {net})", self.name),
            PartyKind::World => format!("{} (world)", self.name),
        }
    }
}

impl Explainer<'_> {
    pub(super) fn party(&self, end: &End) -> Result<Party, ExplainError> {
        match end {
            End::Workload(name) => match self.world.workload(name) {
                Some(workload) => Ok(self.workload(workload)),
                None => Err(ExplainError::UnknownWorkload(name.clone(), suggestion(name, self.world))),
            },
            End::Node(name) => self.node(name),
            End::Address(address) => self.address(address.to_canonical()),
        }
    }

    fn workload(&self, workload: &Workload) -> Party {
        let who = Who::Workloads(self.world.identity_labels(workload));
        Party {
            name: workload.name.to_string(),
            kind: PartyKind::Workload,
            identity: self.identities.id(&who).unwrap_or(IdentityId::WORLD),
            workload: Some(workload.name.clone()),
        }
    }

    /// A namespace may be called `node` as well.
    fn node(&self, name: &str) -> Result<Party, ExplainError> {
        let workload = WorkloadName { namespace: "node".to_owned(), name: name.to_owned() };
        match (self.world.node(name), self.world.workload(&workload)) {
            (Some(_), Some(_)) => Err(ExplainError::NodeOrWorkload(name.to_owned())),
            (None, Some(workload)) => Ok(self.workload(workload)),
            (None, None) => {
                let known: Vec<&str> = self.world.nodes().map(|node| node.name.as_str()).collect();
                let known = match known.as_slice() {
                    [] => ": it has no nodes at all".to_owned(),
                    known => format!(": it has {}", listed(known)),
                };
                Err(ExplainError::UnknownNode(name.to_owned(), known))
            }
            (Some(_), None) => {
                let who = Who::Node(name.to_owned());
                Ok(Party {
                    name: format!("node/{name}"),
                    kind: PartyKind::Node(name.to_owned()),
                    identity: self.identities.id(&who).unwrap_or(IdentityId::WORLD),
                    workload: None,
                })
            }
        }
    }

    fn address(&self, address: IpAddr) -> Result<Party, ExplainError> {
        if let Some(service) = self.world.services().find(|service| service.addresses.contains(&address)) {
            let pods = pods_of(service, self.world);
            return Err(ExplainError::ServiceAddress(address, service.name.clone(), pods));
        }
        let has = |workload: &&Workload| workload.addresses.iter().any(|a| a.to_canonical() == address);
        if let Some(workload) = self.world.workloads().find(has) {
            return Ok(self.workload(workload));
        }
        let identity = self.table.identity(address);
        let kind = match self.identities.iter().find(|known| known.id == identity).map(|known| known.who) {
            Some(Who::Node(name)) => PartyKind::Node(name),
            Some(Who::Cidr(net)) => PartyKind::Prefix(net),
            _ => PartyKind::World,
        };
        Ok(Party { name: address.to_string(), kind, identity, workload: None })
    }

    /// The number of the port that is asked about.
    pub(super) fn port(&self, question: &Question<'_>, to: &Party) -> Result<u16, ExplainError> {
        let name = match &question.port {
            PortRef::Number(number) => return Ok(*number),
            PortRef::Named(name) => name,
        };
        let protocol = question.protocol;
        let ports = to.workload.as_ref().and_then(|name| self.world.workload(name)).map(|known| &known.ports);
        let known: Vec<&NamedPort> =
            ports.into_iter().flatten().filter(|port| port.protocol == protocol).collect();
        if let Some(port) = known.iter().find(|port| port.name == *name) {
            return Ok(port.port);
        }
        let known: Vec<String> = known.iter().map(|port| format!("{} ({})", port.name, port.port)).collect();
        let known = match (ports, known.as_slice()) {
            (None, _) => ": only workloads give ports names, ask about a number".to_owned(),
            (Some(_), []) => ": it gives none a name, ask about a number".to_owned(),
            (Some(_), known) => format!(": it has {}", known.join(", ")),
        };
        Err(ExplainError::UnknownPort { who: to.describe(), protocol, name: name.clone(), known })
    }
}

fn pods_of(service: &Service, world: &World) -> String {
    let selected = world.workloads().filter(|workload| service.selects(workload));
    let pods: Vec<String> = selected.map(|workload| workload.name.to_string()).collect();
    let backends: Vec<String> = world.backends(&service.name).map(|address| address.to_string()).collect();
    match (pods.as_slice(), backends.as_slice()) {
        ([], []) => "a workload; the service has none in the inventory".to_owned(),
        ([], backends) => format!("one of its backends, {}", listed(backends)),
        (pods, _) => format!("one of its workloads, {}", listed(pods)),
    }
}

fn suggestion(name: &WorkloadName, world: &World) -> String {
    if let Some(service) = world.services().find(|service| service.name == *name) {
        return format!(", but a service: ask about {}", pods_of(service, world));
    }
    let known: Vec<String> = world.workloads().map(|workload| workload.name.to_string()).collect();
    let same_name = world.workloads().find(|workload| workload.name.name == name.name);
    match (same_name, known.as_slice()) {
        (Some(workload), _) => format!(": did you mean {}?", workload.name),
        (None, []) => ": it has no workloads at all".to_owned(),
        (None, known) => format!(": it has {}", listed(known)),
    }
}

/// Some names, and how many more there are: an inventory may have thousands.
fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
