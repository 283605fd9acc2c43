//! Decision ids: what a denial is called, in the log and by the client who asks about it.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// The header by which a client can quote a denial.
pub const DECISION_HEADER: &str = "x-postern-decision";

/// Gives out ids. Each is used once by one instance, and that two instances use the same one is a matter of 64 bits.
#[derive(Debug)]
pub struct Decisions {
    state: Cell<u64>,
}

impl Default for Decisions {
    fn default() -> Self {
        // The standard library seeds its hash maps from random bytes, which a module gets of its host.
        Self { state: Cell::new(RandomState::new().hash_one(0)) }
    }
}

impl Decisions {
    /// The next id. How many there were before cannot be read off it.
    #[must_use]
    pub fn next(&self) -> String {
        // SplitMix64: a walk through all states by an odd step, and a bijection of each.
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016x}", mixed ^ (mixed >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_ids_are_the_same() {
        let (one, other) = (Decisions::default(), Decisions::default());
        let mut ids: Vec<String> = (0..100).flat_map(|_| [one.next(), other.next()]).collect();
        assert!(
            ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())),
            "{ids:?}"
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 200);
    }
}
