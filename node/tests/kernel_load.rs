//! Opening, adopting and removing the datapath.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use datapath::{Root, device, in_namespace};
use postern_node::datapath::{Datapath, DatapathError, Hook};

#[test]
fn every_program_passes_the_verifier() {
    in_namespace(|| {
        let root = Root::new();
        let datapath = root.open();
        for hook in Hook::ALL.into_iter().filter(|hook| *hook != Hook::Steer) {
            let info = datapath.program(hook).unwrap().info().unwrap();
            let instructions = info.verified_instruction_count().unwrap();
            println!("{hook:?}: {instructions} instructions verified, {} bytes", info.size_jitted());
            // A tenth of what the kernel takes, so that a change does not come to its limit unnoticed.
            assert!(instructions < 100_000, "{hook:?}: {instructions}");
        }
    });
}

#[test]
fn one_agent_at_a_time() {
    in_namespace(|| {
        let root = Root::new();
        let first = root.open();
        assert!(matches!(Datapath::open(&root.0), Err(DatapathError::Busy { .. })));
        assert!(matches!(postern_node::datapath::cleanup(&root.0), Err(DatapathError::Busy { .. })));
        drop(first);
        root.open();
    });
}
