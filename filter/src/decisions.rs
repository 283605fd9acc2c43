//! Decision ids: what a denial is called, in the log and by the client who asks about it.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Gives out ids. Each is used once by one instance, and that two instances use the same one is a matter of 64 bits.
#[derive(Debug)]
pub(crate) struct Decisions {
    state: Cell<u64>,
}

impl Default for Decisions {
    fn default() -> Self {
        // The standard library seeds its hash maps from the host's random bytes.
        Self { state: Cell::new(RandomState::new().hash_one(0)) }
    }
}

impl Decisions {
    /// The next id. How many there were before cannot be read off it.
    pub(crate) fn next(&self) -> String {
        // SplitMix64: a walk through all states by an odd step, and a bijection of each.
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016x}", mixed ^ (mixed >> 31))
    }
}
