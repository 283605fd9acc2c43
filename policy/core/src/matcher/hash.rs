//! Hashes: fast, and the same everywhere.
//!
//! The keys of every table come from rules, so nobody else can make them collide. A request whose hash is that of
//! a rule by chance or by design gains a candidate more, which is then compared byte for byte.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table whose keys are numbers, or hashes already.
pub(super) type Table<V> = HashMap<u64, V, BuildHasherDefault<Mixed>>;

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one number; without it, tables of small numbers would be lopsided.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = finish(number);
    }
}

/// The hash of some bytes, behind what was hashed before.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let (pairs, single) = words.as_chunks::<2>();
    // Two at once: neither multiplication waits for the other.
    let (mut state, mut other) = (seed ^ ODD, seed);
    for [one, two] in pairs {
        (state, other) = (step(state, u64::from_le_bytes(*one)), step(other, u64::from_le_bytes(*two)));
    }
    for word in single {
        state = step(state, u64::from_le_bytes(*word));
    }
    // What is left, with as much before it as makes a word.
    let last = bytes.last_chunk().copied().unwrap_or_else(|| {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        last
    });
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    finish(step(step(step(state, other), u64::from_le_bytes(last)), length))
}

fn step(state: u64, word: u64) -> u64 {
    (state.rotate_left(23) ^ word).wrapping_mul(ODD)
}

fn finish(state: u64) -> u64 {
    let state = (state ^ state >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    state ^ state >> 32
}

/// As a table's key or an index of the kind that is kept by the hundred thousand.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Back again.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
