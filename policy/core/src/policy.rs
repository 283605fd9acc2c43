//! The model: policies that have been checked, whatever dialect they were written in.

use std::fmt;
use std::sync::Arc;

use crate::http::HttpRule;
use crate::peer::PeerTerm;
use crate::port::PortSpec;
use crate::selector::Selector;

/// The name of a rule: where it stands in the user's own document.
///
/// `cnp/default/rule1/ingress/1/toPorts/0/http/0` is the first HTTP rule of the first `toPorts` entry of the
/// second ingress item of the `CiliumNetworkPolicy` called `rule1` in namespace `default`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// A rule's name; `postern explain` prints it as it is.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name of something within this rule.
    pub fn child(&self, step: impl fmt::Display) -> Self {
        Self(format!("{}/{step}", self.0).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way a connection goes, seen from the workload a policy selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the workload.
    Ingress,
    /// From the workload.
    Egress,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// One checked policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name, the first part of the names of its rules.
    pub id: RuleId,
    /// What it applies to.
    pub subject: Subject,
    /// How the items of one direction combine, among themselves and with those of other policies.
    pub combination: Combination,
    /// Whether it is enforced.
    pub mode: Mode,
    /// What it says of connections to its subjects.
    pub ingress: Section,
    /// What it says of connections from its subjects.
    pub egress: Section,
}

impl Policy {
    /// Its rules that no data plane enforces, and why. They allow nothing, and deny all that they might speak of.
    pub fn quarantined(&self) -> Vec<(RuleId, Arc<str>)> {
        if let Subject::Nodes(_) = self.subject {
            return vec![(self.id.clone(), Arc::from("host policies are not enforced yet"))];
        }
        let items = self.ingress.items.iter().chain(&self.egress.items);
        items.flat_map(Item::quarantined).collect()
    }
}

impl Item {
    fn quarantined(&self) -> Vec<(RuleId, Arc<str>)> {
        if let Some(why) = &self.unenforced {
            return vec![(self.id.clone(), why.clone())];
        }
        let rules = match &self.ports {
            PortSelector::Unnamed => &[],
            PortSelector::AnyOf(rules) => rules.as_slice(),
        };
        let of_rule = |rule: &PortRule| match &rule.unenforced {
            Some(why) => vec![(rule.id.clone(), why.clone())],
            None => rule.http.iter().flat_map(|http| http.iter()).filter_map(HttpRule::quarantined).collect(),
        };
        rules.iter().flat_map(of_rule).collect()
    }
}

/// What a policy applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// These workloads. A namespaced policy's selector is already pinned to its namespace.
    Endpoints(Selector),
    /// These nodes, by their labels. No data plane enforces that yet: it selects no workload.
    Nodes(Selector),
}

/// Whether a policy is enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// It decides.
    #[default]
    Enforced,
    /// It is only reported what it would decide.
    Audit,
}

/// How the items of one direction combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// Each item allows on its own; the direction allows what any item of any such policy does.
    Union,
    /// The legacy dialect `cilium.io/v1`: the peers of all items are one gate, the ports of all items
    /// another, and a connection must pass both. HTTP rules hang on the port, whoever the peer is.
    Gates,
    /// The first item that matches decides, and policies of a lower priority number come first.
    Ordered {
        /// Before or after the others.
        tier: OrderedTier,
        /// 0 to 1000.
        priority: u16,
    },
}

/// Where policies stand whose items are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderedTier {
    /// Before all others.
    Admin,
    /// After all others, where these do not turn default deny on.
    Baseline,
}

/// What a policy says of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Whether the policy drops what nothing allows.
    pub default_deny: bool,
    /// The items, in the order of the document.
    pub items: Vec<Item>,
}

/// One item of a direction: peers and ports that must both match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: RuleId,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The peers it speaks of.
    pub peers: PeerSelector,
    /// The ports it speaks of.
    pub ports: PortSelector,
    /// Why no data plane enforces it yet: it then allows nothing, and denies all that it speaks of.
    pub unenforced: Option<Arc<str>>,
}

/// What an item does to what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Lets it pass, or lets HTTP rules decide.
    Allow,
    /// Drops it, whatever allows it.
    Deny,
    /// Leaves it to the next tier; only where items are ordered.
    Pass,
}

/// The peers an item speaks of. Nobody and everybody are never the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSelector {
    /// The item names no peers: anyone, the world and the host included.
    Unnamed,
    /// Who is selected by any of these: nobody where there are none.
    AnyOf(Vec<PeerTerm>),
}

/// The ports an item speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortSelector {
    /// The item names no ports: every port and protocol, ICMP included.
    Unnamed,
    /// What any of these says: nothing where there are none.
    AnyOf(Vec<PortRule>),
}

/// One `toPorts` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRule {
    /// Its name.
    pub id: RuleId,
    /// The ports: none where there are none.
    pub ports: Vec<PortSpec>,
    /// The HTTP rules, if HTTP is looked at: a request must match one of them.
    pub http: Option<Arc<[HttpRule]>>,
    /// Why no data plane enforces it yet: it then allows nothing, and denies all that it speaks of.
    pub unenforced: Option<Arc<str>>,
}
