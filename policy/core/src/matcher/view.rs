//! Views: what the rules of a port mean to the identities of one class.

use super::hash::{index, number};

/// How many entries are compared with a request that none matches, to say which came nearest.
pub const NEAREST_AMONG: usize = 64;

/// What a class of peers sees of a port's rules.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The rules that a connection is decided by: the first that is quarantined, the first that is not and the first
    /// with HTTP rules, in their order. That is all that is asked of them.
    pub(super) connection: Box<[u32]>,
    /// Whether they say that each request of a connection is decided on its own.
    pub(super) redirects: bool,
    /// The first rule that decides whatever the request is.
    pub(super) terminal: Option<u32>,
    /// The entries before it.
    pub(super) bound: u32,
    /// The first quarantined rule, and which of its HTTP rules; where it matters.
    pub(super) invalid: Option<(u32, Option<u32>)>,
    /// The first entries, where it matters what came near.
    pub(super) near: Box<[u32]>,
    /// The groups of rules that speak of these peers, a bit each.
    pub(super) live: Box<[u64]>,
}

impl View {
    /// Whether rules of a group speak of these peers.
    pub(super) fn has(&self, group: Option<u32>) -> bool {
        let Some(group) = group.map(index) else { return true };
        self.live.get(group / 64).is_some_and(|bits| bits >> (group % 64) & 1 == 1)
    }

    /// The groups that do.
    pub(super) fn groups(&self) -> impl Iterator<Item = u32> {
        let bits = self.live.iter().enumerate().filter(|(_, bits)| **bits != 0);
        bits.flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| number(word * 64 + bit))
        })
    }

    pub(super) fn insert(&mut self, group: u32) {
        if let Some(bits) = self.live.get_mut(index(group) / 64) {
            *bits |= 1 << (index(group) % 64);
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.near)
            + size_of_val(&*self.live)
            + size_of_val(&*self.connection)
    }
}
