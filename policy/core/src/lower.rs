//! Lowering: an endpoint policy as the few kinds of entries that a kernel can look up.
//!
//! A kernel finds the longest prefix of (protocol, port), once for the peer's identity and once for any
//! peer, and takes the stronger of the two verdicts. So that this is what [`DirectionPolicy::connection`]
//! says, each entry already holds what the shorter prefixes of the same peer say too.

mod complete;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::decide::Verdict;
use crate::endpoint::{Action, DirectionPolicy, EndpointPolicy, Flow, Peers, Ports, Rule, Tier};
use crate::identity::IdentityId;
use crate::policy::Direction;
use crate::port::{PortRange, Protocol, ProtocolMatch};

/// An endpoint's policy on addresses and ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lowered {
    /// For connections to it.
    pub ingress: LoweredDirection,
    /// For connections from it.
    pub egress: LoweredDirection,
}

/// One direction of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoweredDirection {
    /// Whether what no entry speaks of is dropped.
    pub default_deny: bool,
    /// Whether the entries of a peer say all there is to say of it: where it has any, those for anyone are not
    /// asked. Tiers need that, for a later one may be stronger without being heard.
    pub complete: bool,
    /// The entries: none twice for the same peer and prefix.
    pub entries: Vec<Entry>,
}

/// What happens to one peer's traffic to some ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The peer; `None` is anyone.
    pub peer: Option<IdentityId>,
    /// The protocol by its IANA number; `None` is every protocol, those without ports included.
    pub protocol: Option<u8>,
    /// The port, or for ICMP the type; the bits that do not count are zero.
    pub port: u16,
    /// How many leading bits of the port count, 16 at most; none where there is no protocol.
    pub port_bits: u8,
    /// What happens.
    pub verdict: EntryVerdict,
}

/// A verdict on a connection. The later, the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryVerdict {
    /// It passes.
    Allow,
    /// It goes to the proxy, which decides each request.
    Redirect {
        /// Whether a plain rule allows all of it as well: what cannot be steered may pass.
        plain: bool,
    },
    /// It is dropped.
    Deny,
}

/// What an endpoint policy says of connections.
pub fn lower(policy: &EndpointPolicy) -> Lowered {
    Lowered { ingress: lower_direction(&policy.ingress), egress: lower_direction(&policy.egress) }
}

/// What one direction says of connections.
pub fn lower_direction(policy: &DirectionPolicy) -> LoweredDirection {
    // One set of rules that are all asked at once, and what is allowed last: the strongest verdict is the right one.
    let at_once = |rule: &Arc<Rule>| match rule.tier {
        Tier::Normal => rule.action != Action::Pass,
        Tier::Default => policy.default_deny && rule.action == Action::Allow,
        Tier::Admin | Tier::Baseline => false,
    };
    if !policy.rules.iter().all(at_once) {
        return complete::lower(policy);
    }
    let mut by_peer: BTreeMap<Option<IdentityId>, BTreeMap<Prefix, Said>> = BTreeMap::new();
    // Without default deny, HTTP rules deny nothing.
    let all = Said { allow: !policy.default_deny, ..Said::default() };
    for rule in &policy.rules {
        let Some(said) = Said::by(&rule.action).map(|said| said.and(all)) else { continue };
        for prefix in prefixes(rule) {
            for peer in peers(&rule.peers) {
                by_peer.entry(peer).or_default().entry(prefix).or_default().add(said);
            }
        }
    }
    let entries = by_peer.into_iter().flat_map(|(peer, said)| fold(peer, said)).collect();
    LoweredDirection { default_deny: policy.default_deny, complete: false, entries }
}

impl Lowered {
    /// One direction of it.
    pub fn direction(&self, direction: Direction) -> &LoweredDirection {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl LoweredDirection {
    /// What a kernel with these entries says, by going through all of them: the model of its look-up.
    pub fn verdict(&self, flow: &Flow) -> Verdict {
        let longest = |peer: Option<IdentityId>| {
            let covering = self.entries.iter().filter(|entry| entry.peer == peer && entry.covers(flow));
            covering
                .max_by_key(|entry| (entry.protocol.is_some(), entry.port_bits))
                .map(|entry| entry.verdict)
        };
        let own = longest(Some(flow.peer));
        let anyone = if self.complete && own.is_some() { None } else { longest(None) };
        match own.max(anyone) {
            Some(EntryVerdict::Allow) => Verdict::Allow,
            Some(EntryVerdict::Redirect { .. }) => Verdict::Redirect,
            Some(EntryVerdict::Deny) => Verdict::Deny,
            None if self.default_deny => Verdict::Deny,
            None => Verdict::Allow,
        }
    }
}

impl Entry {
    fn covers(&self, flow: &Flow) -> bool {
        let of_protocol = self.protocol.is_none_or(|protocol| protocol == flow.protocol.number());
        let mask = u16::MAX.checked_shl(16 - u32::from(self.port_bits)).unwrap_or(0);
        of_protocol && flow.port & mask == self.port
    }
}

/// Protocol and port as one number of 24 bits, of which the first `bits` count; the rest are zero. In
/// their order, a prefix comes before what it contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    value: u32,
    bits: u8,
}

impl Prefix {
    const ALL: Self = Self { value: 0, bits: 0 };

    fn new(protocol: Protocol, port: u16, port_bits: u8) -> Self {
        Self { value: u32::from(protocol.number()) << 16 | u32::from(port), bits: 8 + port_bits }
    }

    fn contains(self, other: Self) -> bool {
        let ignored = 24 - u32::from(self.bits);
        self.bits <= other.bits && self.value >> ignored == other.value >> ignored
    }
}

/// What rules say of one peer and prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Said {
    allow: bool,
    http: bool,
    deny: bool,
}

impl Said {
    fn by(action: &Action) -> Option<Self> {
        let nothing = Self::default();
        match action {
            Action::Allow => Some(Self { allow: true, ..nothing }),
            Action::Deny => Some(Self { deny: true, ..nothing }),
            Action::Http(_) => Some(Self { http: true, ..nothing }),
            Action::Pass | Action::Quarantined(_) => None,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            allow: self.allow || other.allow,
            http: self.http || other.http,
            deny: self.deny || other.deny,
        }
    }

    fn add(&mut self, other: Self) {
        *self = self.and(other);
    }

    fn verdict(self) -> EntryVerdict {
        match self {
            Self { deny: true, .. } => EntryVerdict::Deny,
            Self { http: true, allow, .. } => EntryVerdict::Redirect { plain: allow },
            Self { .. } => EntryVerdict::Allow,
        }
    }
}

/// Gives each prefix what the prefixes around it say, and leaves out those that then add nothing.
fn fold(peer: Option<IdentityId>, said: BTreeMap<Prefix, Said>) -> Vec<Entry> {
    let mut around: Vec<(Prefix, Said)> = Vec::new();
    let mut entries = Vec::new();
    for (prefix, mut said) in said {
        while around.last().is_some_and(|(outer, _)| !outer.contains(prefix)) {
            around.pop();
        }
        let outer = around.last().map(|(_, said)| *said);
        said.add(outer.unwrap_or_default());
        if outer.map(Said::verdict) != Some(said.verdict()) {
            entries.push(entry(peer, prefix, said.verdict()));
        }
        around.push((prefix, said));
    }
    entries
}

fn entry(peer: Option<IdentityId>, prefix: Prefix, verdict: EntryVerdict) -> Entry {
    let [_, protocol, high, low] = prefix.value.to_be_bytes();
    Entry {
        peer,
        protocol: (prefix.bits > 0).then_some(protocol),
        port: u16::from_be_bytes([high, low]),
        port_bits: prefix.bits.saturating_sub(8),
        verdict,
    }
}

/// Identity 0 is nobody; in a kernel's table it would be anyone.
fn peers(peers: &Peers) -> BTreeSet<Option<IdentityId>> {
    match peers {
        Peers::Any => BTreeSet::from([None]),
        Peers::Only(identities) => identities.iter().filter(|id| id.0 != 0).copied().map(Some).collect(),
    }
}

fn prefixes(rule: &Rule) -> Vec<Prefix> {
    let http = matches!(rule.action, Action::Http(_));
    match &rule.ports {
        Ports::All if http => vec![Prefix::new(Protocol::Tcp, 0, 0)],
        Ports::All => vec![Prefix::ALL],
        Ports::Only(ranges) => ranges.iter().flat_map(|range| range_prefixes(range, http)).collect(),
    }
}

fn range_prefixes(range: &PortRange, http: bool) -> Vec<Prefix> {
    let protocols: Vec<Protocol> = match range.protocol {
        ProtocolMatch::Any => vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp],
        ProtocolMatch::Only(protocol) => vec![protocol],
    };
    let protocols = protocols.into_iter().filter(|protocol| !http || *protocol == Protocol::Tcp);
    let ports = split(range.first, range.last);
    protocols
        .flat_map(|protocol| ports.iter().map(move |(port, bits)| Prefix::new(protocol, *port, *bits)))
        .collect()
}

/// A range as the fewest prefixes, each a port and how many of its leading bits count.
fn split(first: u16, last: u16) -> Vec<(u16, u8)> {
    let (mut next, last) = (u32::from(first), u32::from(last));
    let mut prefixes = Vec::new();
    while next <= last {
        // The largest block that begins at `next` and does not go beyond `last`.
        let aligned = if next == 0 { 16 } else { next.trailing_zeros().min(16) };
        let fitting = (last - next + 1).ilog2();
        let size = aligned.min(fitting);
        let (Ok(port), Ok(bits)) = (u16::try_from(next), u8::try_from(16 - size)) else { break };
        prefixes.push((port, bits));
        next += 1 << size;
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_split_into_the_fewest_prefixes() {
        assert_eq!(split(80, 80), [(80, 16)]);
        assert_eq!(split(0, u16::MAX), [(0, 0)]);
        assert_eq!(split(1, 6), [(1, 16), (2, 15), (4, 15), (6, 16)]);
        assert_eq!(split(65_535, 65_535), [(65_535, 16)]);
        assert_eq!(split(5, 4), []);
    }
}
