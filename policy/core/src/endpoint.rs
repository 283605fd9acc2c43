//! Endpoint policies: what all policies together say of one workload.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::http::HttpRule;
use crate::identity::IdentityId;
use crate::path::Profile;
use crate::policy::{Direction, RuleId};
use crate::port::{PortRange, Protocol};
use crate::world::WorkloadName;

/// The resolved policy of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// The workload.
    pub name: WorkloadName,
    /// Its addresses, by which a proxy that serves several workloads knows it.
    pub addresses: Vec<IpAddr>,
    /// For connections to it.
    pub ingress: DirectionPolicy,
    /// For connections from it.
    pub egress: DirectionPolicy,
    /// What is only tried: decided beside what is enforced, and reported.
    pub audit: Audit,
}

/// The directions in which something else is tried than is enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// For connections to the workload.
    pub ingress: Option<DirectionPolicy>,
    /// For connections from it.
    pub egress: Option<DirectionPolicy>,
}

impl EndpointPolicy {
    /// This policy, with what `tried` says other than it as its audit.
    #[must_use]
    pub fn auditing(mut self, tried: Option<Self>) -> Self {
        self.audit = tried.map_or_else(Audit::default, |tried| Audit {
            ingress: Some(tried.ingress).filter(|tried| *tried != self.ingress),
            egress: Some(tried.egress).filter(|tried| *tried != self.egress),
        });
        self
    }

    /// What is tried in one direction, where that is something else than is enforced.
    pub fn audit(&self, direction: Direction) -> Option<&DirectionPolicy> {
        match direction {
            Direction::Ingress => self.audit.ingress.as_ref(),
            Direction::Egress => self.audit.egress.as_ref(),
        }
    }

    /// The policy of one direction.
    pub fn direction(&self, direction: Direction) -> &DirectionPolicy {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// The rules of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectionPolicy {
    /// Whether what no rule allows is dropped. Then the baseline tier is never reached.
    pub default_deny: bool,
    /// The rules, tier by tier. In the normal tier a denial wins over every allowance, whatever their order; in
    /// the others the first rule that covers a connection decides. Workloads that one policy selects share its rules.
    pub rules: Vec<Arc<Rule>>,
    /// How the paths of requests to some ports are read. The first entry that a port is in counts; what is in none
    /// is read strictly.
    pub profiles: Vec<(PortRange, Profile)>,
}

/// When a rule is asked: the tiers in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The administrator's rules that nobody overrides, one after another.
    Admin,
    /// The rules of the workload's own policies, all at once.
    #[default]
    Normal,
    /// What is allowed where default deny is on and no policy speaks of it: the workload's own node.
    Default,
    /// The administrator's rules for workloads without default deny, one after another.
    Baseline,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// When it is asked.
    pub tier: Tier,
    /// The peers it covers.
    pub peers: Peers,
    /// The ports it covers.
    pub ports: Ports,
    /// What happens to what it covers.
    pub action: Action,
}

/// The peers a rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// Everyone.
    Any,
    /// These identities: nobody where there are none.
    Only(Arc<BTreeSet<IdentityId>>),
}

/// The ports a rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Every port of every protocol, and protocols without ports.
    All,
    /// These: none where there are none.
    Only(Vec<PortRange>),
}

/// What happens to what a rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
    /// The rest of the tier is not asked.
    Pass,
    /// HTTP requests pass that one of these matches.
    Http(Arc<[HttpRule]>),
    /// Nothing: it would allow something in a way that is not enforced, for this reason.
    Quarantined(Arc<str>),
}

/// A connection, as one direction of a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Who is at the other end.
    pub peer: IdentityId,
    /// The transport.
    pub protocol: Protocol,
    /// The destination's port.
    pub port: u16,
}

impl DirectionPolicy {
    /// How the paths of requests to a port are read.
    pub fn profile(&self, protocol: Protocol, port: u16) -> Profile {
        let named = self.profiles.iter().find(|(range, _)| range.contains(protocol, port));
        named.map_or(Profile::Strict, |(_, profile)| *profile)
    }
}

impl Rule {
    /// Whether this rule speaks of the flow. HTTP rules speak of TCP only.
    pub fn covers(&self, flow: &Flow) -> bool {
        self.peers.contains(flow.peer)
            && self.ports.contains(flow.protocol, flow.port)
            && !(matches!(self.action, Action::Http(_)) && flow.protocol != Protocol::Tcp)
    }

    /// Its HTTP rules; none where it has an action of another kind.
    pub fn http(&self) -> &[HttpRule] {
        match &self.action {
            Action::Http(rules) => rules,
            Action::Allow | Action::Deny | Action::Pass | Action::Quarantined(_) => &[],
        }
    }

    /// Where it stands in the order in which rules are asked; those at one place in that of their list.
    pub(crate) fn place(&self) -> (Tier, bool) {
        // In the normal tier denials come first.
        (self.tier, self.tier == Tier::Normal && self.action != Action::Deny)
    }
}

impl Peers {
    /// Whether this identity is one of them.
    pub fn contains(&self, peer: IdentityId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(identities) => identities.contains(&peer),
        }
    }
}

impl Ports {
    /// Whether this port is one of them.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(ranges) => ranges.iter().any(|range| range.contains(protocol, port)),
        }
    }
}
