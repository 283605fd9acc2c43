//! The counters that the compiler puts at every branch.
#![allow(unsafe_code, reason = "the counters are the compiler's, at addresses that it tells")]

use std::collections::HashMap;
use std::slice;
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
#[derive(Debug, Default)]
pub(crate) struct Reached(HashMap<usize, u8>);

impl Reached {
    /// Sets every counter back.
    pub(crate) fn start() {
        for (first, end) in ranges() {
            // SAFETY: the compiler's own range, which lives as long as the program; only this thread runs its code.
            let counters = unsafe { counters(first, end) };
            counters.fill(0);
        }
    }

    /// Whether a counter has been reached more often than ever, by powers of two.
    pub(crate) fn add(&mut self) -> bool {
        let mut new = false;
        for (first, end) in ranges() {
            // SAFETY: as in `start`.
            let counters = unsafe { counters(first, end) };
            for (index, count) in counters.iter().enumerate().filter(|(_, count)| **count != 0) {
                let often = 1_u8 << count.ilog2();
                let known = self.0.entry(first + index).or_default();
                new |= *known & often == 0;
                *known |= often;
            }
        }
        new
    }

    /// How many places were reached.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Whether the program was built with counters at all.
pub(crate) fn is_there() -> bool {
    !ranges().is_empty()
}

fn ranges() -> Vec<(usize, usize)> {
    RANGES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// # Safety
///
/// The range must be one that the compiler told, and nothing else may look at it meanwhile.
unsafe fn counters(first: usize, end: usize) -> &'static mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(first), end - first) }
}
