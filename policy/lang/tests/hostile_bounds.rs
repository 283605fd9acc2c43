//! What hostile input may cost: memory is counted, and no input panics. The inputs here are a twentieth of those that the bounds
//! are promised for, in a build that is not optimised.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and an allocator that counts is unsafe by its trait"
)]

mod inputs;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

const SCALE: usize = 20;
/// The promise is 512 MB for inputs in full. What the expressions of a file may take does not shrink with them.
/// (Expressions are a little larger where the whole workspace's features are on.)
const BOUND: usize = 120_000_000;

/// Counts what each thread holds: tests run side by side.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is; only numbers are kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().saturating_add(layout.size());
        HELD.set(held);
        PEAK.set(PEAK.get().max(held));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that a call held at once, beside what was held before it.
fn peak(call: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    call();
    PEAK.get() - before
}

#[test]
fn no_input_costs_more_than_its_bound() {
    for (name, text) in inputs::all(SCALE) {
        let files = [SourceFile { name: "x.yaml".to_owned(), text }];
        let as_policies = peak(|| {
            let loaded = load_policies(&files);
            assert!(
                !loaded.policies.is_empty() || loaded.has_errors() || !loaded.diagnostics.is_empty(),
                "{name}"
            );
        });
        let as_inventory = peak(|| drop(load_inventory(&files)));
        assert!(as_policies.max(as_inventory) <= BOUND, "{name}: {as_policies} and {as_inventory} bytes");
    }
}
