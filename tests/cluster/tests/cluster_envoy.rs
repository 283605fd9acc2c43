//! The tutorial on a cluster whose nodes have Envoy in place of the bundled proxy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod story;

use postern_tests_cluster::Engine;
use story::{POLICY, Story};

#[test]
fn the_tutorial_with_envoy() {
    let story = Story::begin(Engine::Envoy);
    story.is_open();
    story.cluster.create(POLICY).unwrap();
    story.is_enforced("rule1");
    story.is_guarded();
    story.cluster.kubectl(&["delete", "ciliumnetworkpolicy", "rule1"]).unwrap();
    story.is_open();
}
