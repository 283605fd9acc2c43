//! The tutorial in its own words, on a cluster: real API server, real packets, two nodes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod story;
mod stream;

use anyhow::Context as _;
use postern_tests_cluster::Engine;
use serde_json::Value;
use story::{APP2, APP3, NAMES, POLICY, SOON, Story, field, home};
use stream::Stream;

const POLICY_V2: &str = include_str!("../../../deploy/tutorial/policy-v2.yaml");

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
            reports_drop_of(&mut story, client);
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
    let allowed: Vec<Stream> = APP2.iter().map(|pod| Stream::start(&story, pod, "/public", "10")).collect();
    let denied: Vec<Stream> = APP2.iter().map(|pod| Stream::start(&story, pod, "/private", "10")).collect();
    let dropped: Vec<Stream> = APP3.iter().map(|pod| Stream::start(&story, pod, "/public", "0.5")).collect();
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
    story.cluster.wait_for_controller(SOON).unwrap();
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

/// Waits until the node of app1 has reported that it dropped what this client sent.
fn reports_drop_of(story: &mut Story, client: &str) {
    let address = field(&story.cluster, &["pod", client], "{.status.podIP}");
    let (home, nodes) = (home(&story.cluster), field(&story.cluster, &["nodes"], NAMES));
    // The box counts its nodes from 1.
    let number = nodes.split_whitespace().position(|node| node == home).unwrap() + 1;
    let node = story.cluster.node(number).unwrap();
    postern_tests_harness::eventually(SOON, || {
        let flows = node.flows()?;
        let dropped = |flow: &&Value| {
            flow["verdict"] == "dropped"
                && flow["reason"] == "policy-denied"
                && flow["direction"] == "ingress"
                && flow["source"].as_str().is_some_and(|source| source.starts_with(&format!("{address}:")))
                && flow["endpoint"].as_str().is_some_and(|name| name.starts_with("default/app1-"))
        };
        flows.iter().find(dropped).map(drop).with_context(|| format!("no such flow among {}", flows.len()))
    })
    .unwrap();
}
