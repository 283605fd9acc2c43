//! Profiles: what one policy, in its old and its new version, lets pass from or to one peer, port by port.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use postern_policy_core::endpoint::{DirectionPolicy, Flow, Peers, Ports, Rule};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::port::Protocol;

use crate::allowed::AllowedId;
use crate::question::Questions;
use crate::report::{PortSpan, whole};

/// The old version of something and the new one.
pub(crate) type Versions<T> = [T; 2];

/// Ports that are treated alike by the old version, and alike by the new one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Segment {
    pub(crate) ports: PortSpan,
    pub(crate) allowed: Versions<AllowedId>,
}

/// Every port of every protocol, in order.
pub(crate) type Profile = Arc<Vec<Segment>>;

/// Finds profiles, each once.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    /// By the policy's number and which of the rules of its versions speak of the peer.
    by_rules: HashMap<(usize, Versions<Vec<usize>>), usize>,
    by_value: HashMap<Profile, usize>,
    list: Vec<Profile>,
}

impl Profiles {
    pub(crate) fn get(&self, number: usize) -> Option<&Profile> {
        self.list.get(number)
    }

    /// The profile of an end without a policy.
    pub(crate) fn open(&mut self) -> usize {
        let allowed = [AllowedId::EVERYTHING; 2];
        let segment = |protocol: Protocol| Segment { ports: whole(protocol), allowed };
        self.number(Protocol::EVERY.into_iter().map(segment).collect())
    }

    /// The profile of a policy and a peer.
    pub(crate) fn of(
        &mut self,
        policy: usize,
        versions: &Versions<DirectionPolicy>,
        peer: IdentityId,
        questions: &mut Questions,
    ) -> usize {
        let speak = |policy: &DirectionPolicy| {
            let rules = policy.rules.iter().enumerate();
            rules.filter(|(_, rule)| rule.peers.contains(peer)).map(|(place, _)| place).collect::<Vec<_>>()
        };
        let key = (policy, versions.each_ref().map(speak));
        if let Some(known) = self.by_rules.get(&key) {
            return *known;
        }
        let narrowed = versions.each_ref().map(|policy| about(policy, peer));
        let segments =
            Protocol::EVERY.into_iter().flat_map(|protocol| segments(&narrowed, protocol, questions));
        let number = self.number(segments.collect());
        self.by_rules.insert(key, number);
        number
    }

    fn number(&mut self, segments: Vec<Segment>) -> usize {
        let profile = Arc::new(segments);
        let next = self.list.len();
        let number = *self.by_value.entry(profile.clone()).or_insert(next);
        if number == next {
            self.list.push(profile);
        }
        number
    }
}

/// The rules of a policy that speak of a peer.
fn about(policy: &DirectionPolicy, peer: IdentityId) -> DirectionPolicy {
    let rules = policy.rules.iter().filter(|rule| rule.peers.contains(peer));
    let of_anyone = |rule: &Arc<Rule>| Arc::new(Rule { peers: Peers::Any, ..(**rule).clone() });
    DirectionPolicy {
        default_deny: policy.default_deny,
        rules: rules.map(of_anyone).collect(),
        profiles: policy.profiles.clone(),
    }
}

/// The ports of a protocol, cut wherever a rule or a path profile of either version begins or ends.
fn segments(
    versions: &Versions<DirectionPolicy>,
    protocol: Protocol,
    questions: &mut Questions,
) -> Vec<Segment> {
    let all = whole(protocol);
    let mut starts = BTreeSet::from([all.first]);
    let ranges = versions.iter().flat_map(|policy| &policy.rules).flat_map(|rule| match &rule.ports {
        Ports::All => [].as_slice(),
        Ports::Only(ranges) => ranges.as_slice(),
    });
    let profiles = versions.iter().flat_map(|policy| &policy.profiles).map(|(range, _)| range);
    for range in ranges.chain(profiles).filter(|range| range.protocol.means(protocol)) {
        let borders = [Some(range.first), range.last.checked_add(1)];
        starts.extend(borders.into_iter().flatten().filter(|start| (all.first..=all.last).contains(start)));
    }
    let mut segments: Vec<Segment> = Vec::new();
    for start in starts {
        let flow = Flow { peer: IdentityId::WORLD, protocol, port: start };
        let allowed = versions
            .each_ref()
            .map(|policy| questions.allowances.number(policy, &flow, &mut questions.automata));
        match segments.last_mut() {
            Some(last) if last.allowed == allowed => {}
            _ => {
                segments
                    .push(Segment { ports: PortSpan { protocol, first: start, last: all.last }, allowed });
            }
        }
    }
    let ends: Vec<u16> = segments.iter().skip(1).map(|next| next.ports.first.saturating_sub(1)).collect();
    for (segment, end) in segments.iter_mut().zip(ends) {
        segment.ports.last = end;
    }
    segments
}
