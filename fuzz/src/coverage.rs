//! The counters that the compiler puts at every branch.
#![allow(unsafe_code, reason = "the counters are the compiler's, at addresses that it tells")]

use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where counters are: first and end, as numbers. One range for each unit that was compiled.
static RANGES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by each unit, before `main`.
// SAFETY: the name is the one that the pass calls, and nobody else in this program defines it.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(first: *mut u8, end: *mut u8) {
    let range = (first.addr(), end.addr());
    first.expose_provenance();
    let mut ranges = RANGES.lock().unwrap_or_else(PoisonError::into_inner);
    if range.0 < range.1 && !ranges.contains(&range) {
        ranges.push(range);
    }
}

/// What has been reached so far.
#[derive(Debug)]
pub(crate) struct Reached {
    ranges: Vec<&'static [AtomicU8]>,
    /// For each counter of each range, how often it was reached: a bit for each power of two.
    known: Vec<u8>,
}

impl Reached {
    /// Nothing yet, of the counters that there are.
    pub(crate) fn new() -> Self {
        let ranges = RANGES.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the compiler's own ranges, which live as long as the program. Its code counts without a lock: where
        // another thread counts at the same time a count may be lost, and nothing else.
        let counters = |(first, end): &(usize, usize)| unsafe {
            slice::from_raw_parts(std::ptr::with_exposed_provenance(*first), end - first)
        };
        let ranges: Vec<_> = ranges.iter().map(counters).collect();
        let known = vec![0; ranges.iter().map(|counters| counters.len()).sum()];
        Self { ranges, known }
    }

    /// Whether the program was built with counters at all.
    pub(crate) fn has_counters(&self) -> bool {
        !self.known.is_empty()
    }

    /// Sets every counter back.
    pub(crate) fn start(&self) {
        for (before, words, after) in self.ranges.iter().map(|counters| words(counters)) {
            before.iter().chain(after).for_each(|count| count.store(0, Ordering::Relaxed));
            words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
    }

    /// Whether a counter has been reached more often than ever, by powers of two.
    pub(crate) fn add(&mut self) -> bool {
        let mut known = self.known.as_mut_slice();
        let mut new = false;
        for (before, words, after) in self.ranges.iter().map(|counters| words(counters)) {
            for count in before {
                new |= note(&mut known, [count.load(Ordering::Relaxed)]);
            }
            for word in words {
                new |= note(&mut known, word.load(Ordering::Relaxed).to_ne_bytes());
            }
            for count in after {
                new |= note(&mut known, [count.load(Ordering::Relaxed)]);
            }
        }
        new
    }

    /// How many places were reached.
    pub(crate) fn len(&self) -> usize {
        self.known.iter().filter(|known| **known != 0).count()
    }
}

/// Most counters are 0: eight of them are looked at in one.
fn words(counters: &[AtomicU8]) -> (&[AtomicU8], &[AtomicU64], &[AtomicU8]) {
    // SAFETY: eight counters are a word of any value, and both kinds of atomics may be shared.
    unsafe { counters.align_to() }
}

/// Notes the next counters; whether one of them is new.
fn note<const N: usize>(known: &mut &mut [u8], counts: [u8; N]) -> bool {
    let Some(known) = known.split_off_mut(..N) else { return false };
    let mut new = false;
    if counts != [0; N] {
        for (known, count) in known.iter_mut().zip(counts) {
            let often = count.checked_ilog2().map_or(0, |power| 1 << power);
            new |= often & !*known != 0;
            *known |= often;
        }
    }
    new
}
