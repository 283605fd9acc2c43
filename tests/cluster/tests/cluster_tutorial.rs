//! The tutorial in its own words, on a cluster: real API server, real packets, two nodes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod story;

use postern_tests_cluster::Engine;
use story::{APP2, APP3, POLICY, POLICY_V2, Story, Stream};

#[test]
fn the_tutorial_as_printed_then_in_v2() {
    let mut story = Story::begin(Engine::Bundled);
    story.is_open();
    for policy in [POLICY, POLICY_V2] {
        let created = story.cluster.create(policy).unwrap();
        assert_eq!(created.trim(), "ciliumnetworkpolicy.cilium.io/rule1 created");
        story.is_enforced("rule1");
        story.is_guarded();
        for client in APP3 {
            story.reports_drop_of(client);
        }
        story.cluster.kubectl(&["delete", "ciliumnetworkpolicy", "rule1"]).unwrap();
        story.is_open();
    }
}

#[test]
fn nothing_leaks_and_nothing_is_lost_when_agents_and_controller_are_killed() {
    let mut story = Story::begin(Engine::Bundled);
    story.cluster.create(POLICY).unwrap();
    story.is_enforced("rule1");
    story.is_guarded();
    let allowed: Vec<Stream> = APP2.iter().map(|pod| story.stream(pod, "/public", "10")).collect();
    let denied: Vec<Stream> = APP2.iter().map(|pod| story.stream(pod, "/private", "10")).collect();
    let dropped: Vec<Stream> = APP3.iter().map(|pod| story.stream(pod, "/public", "0.5")).collect();
    let go_on = |more: usize| allowed.iter().chain(&denied).for_each(|stream| stream.goes_on(more));
    go_on(20);
    for number in [1, 2] {
        story.cluster.node(number).unwrap().agent().unwrap().kill().unwrap();
        go_on(20);
        story.cluster.node(number).unwrap().agent().unwrap().restart().unwrap();
        go_on(20);
    }
    story.cluster.controller().unwrap().kill().unwrap();
    go_on(20);
    story.cluster.controller().unwrap().restart().unwrap();
    story.cluster.wait_for_controller(story::SOON).unwrap();
    go_on(20);
    // Both have what they need again: a change reaches the nodes.
    let lost: Vec<Vec<String>> = allowed.into_iter().map(Stream::end).collect();
    for answers in &lost {
        assert!(answers.iter().all(|code| code == "200"), "{answers:?}");
    }
    for stream in denied {
        let answers = stream.end();
        assert!(answers.iter().all(|code| code == "403"), "{answers:?}");
    }
    for stream in dropped {
        let answers = stream.end();
        assert!(answers.iter().all(|code| code == "000"), "{answers:?}");
    }
    story.cluster.kubectl(&["delete", "ciliumnetworkpolicy", "rule1"]).unwrap();
    story.is_open();
}
