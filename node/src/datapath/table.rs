//! A policy as entries of the map.

use std::collections::BTreeMap;

use aya::maps::lpm_trie::Key;
use postern_node_abi::{EndpointFlags, PolicyKey, PolicyValue, Verdict, direction};
use postern_policy_core::lower::{Entry, EntryVerdict, Lowered, LoweredDirection};

/// The entries of one policy. The policy's own number is left out of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    entries: BTreeMap<Prefix, PolicyValue>,
}

/// A key and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix {
    key: PolicyKey,
    bits: u32,
}

impl Table {
    /// What a policy says.
    pub(super) fn of(policy: &Lowered) -> Self {
        let mut table = Self::default();
        table.add(direction::INGRESS, &policy.ingress);
        table.add(direction::EGRESS, &policy.egress);
        table
    }

    fn add(&mut self, direction: u8, policy: &LoweredDirection) {
        for entry in &policy.entries {
            let value = value(entry.verdict);
            let known = self.entries.entry(prefix(direction, entry)).or_insert(value);
            // There are no two of the same prefix; if there were, the stronger one has to win.
            if known.verdict < value.verdict {
                *known = value;
            }
        }
    }

    /// Takes up an entry that was found in the map.
    pub(super) fn adopt(&mut self, key: &Key<PolicyKey>, value: PolicyValue) {
        let prefix = Prefix { key: PolicyKey { policy: 0, ..key.data() }, bits: key.prefix_len() };
        self.entries.insert(prefix, value);
    }

    /// The entries, under this number.
    pub(super) fn under(&self, policy: u32) -> impl Iterator<Item = (Key<PolicyKey>, PolicyValue)> {
        let key = move |prefix: &Prefix| Key::new(prefix.bits, PolicyKey { policy, ..prefix.key });
        self.entries.iter().map(move |(prefix, value)| (key(prefix), *value))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The flags of the policy's endpoint.
pub(super) fn flags(policy: &Lowered) -> u32 {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    flag(policy.ingress.default_deny, EndpointFlags::INGRESS_DEFAULT_DENY)
        | flag(policy.egress.default_deny, EndpointFlags::EGRESS_DEFAULT_DENY)
        | flag(policy.ingress.complete, EndpointFlags::INGRESS_COMPLETE)
        | flag(policy.egress.complete, EndpointFlags::EGRESS_COMPLETE)
}

fn prefix(direction: u8, entry: &Entry) -> Prefix {
    let port_bits = u32::from(entry.port_bits.min(16));
    let (protocol, tail) = match entry.protocol {
        Some(protocol) => (protocol, 8 + port_bits),
        None => (0, 0),
    };
    // Bits that do not count are zero, so that a prefix has one form only.
    let mask = if tail > 8 { u16::MAX << (24 - tail) } else { 0 };
    let key = PolicyKey {
        policy: 0,
        identity: entry.peer.map_or(0, |peer| peer.0),
        direction,
        protocol,
        port: (entry.port & mask).to_be_bytes(),
    };
    Prefix { key, bits: PolicyKey::FIXED_BITS + tail }
}

fn value(verdict: EntryVerdict) -> PolicyValue {
    let (verdict, plain) = match verdict {
        EntryVerdict::Allow => (Verdict::ALLOW, false),
        EntryVerdict::Redirect { plain } => (Verdict::REDIRECT, plain),
        EntryVerdict::Deny => (Verdict::DENY, false),
    };
    PolicyValue { verdict, plain: u8::from(plain), reserved: [0; 2] }
}
