//! How long it takes: 1,000 pods, each with labels of its own, and 100 policies. `--nocapture` prints the figures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Cluster, namespace_event, node_event, pod, pod_event};

#[test]
fn a_thousand_pods_and_a_hundred_policies() {
    let mut cluster = Cluster::unsynced();
    let timed = |what: &str, cluster: &mut Cluster, run: &mut dyn FnMut(&mut Cluster)| -> Duration {
        let start = Instant::now();
        run(cluster);
        let took = start.elapsed();
        println!("{what}: {took:?}");
        took
    };
    let pods = |count: usize| {
        (0..count).map(|n| {
            let labels = json!({"app": format!("app{}", n % 200), "tier": format!("t{}", n % 7)});
            let ip = format!("10.1.{}.{}", n / 250, n % 250 + 1);
            pod_event(pod(&format!("p{n}"), labels, &format!("node{}", n % 20), &ip))
        })
    };
    let mut cold = Duration::ZERO;
    cold += timed("1,000 pods, 20 nodes", &mut cluster, &mut |cluster| {
        let nodes = (0..20).map(|n| node_event(&format!("node{n}"), &format!("192.0.2.{}", n + 1)));
        let _ = cluster.apply(nodes.chain([namespace_event("default", json!({}))]).chain(pods(1000)));
    });
    cold += timed("100 policies", &mut cluster, &mut |cluster| {
        for n in 0..100 {
            let spec = json!({"endpointSelector": {"matchLabels": {"app": format!("app{n}")}},
                "ingress": [{"fromEndpoints": [{"matchLabels": {"app": format!("app{}", n + 1)}}],
                             "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
                                          "rules": {"http": [{"method": "GET", "path": "/v1/.*"}]}}]}]});
            let _ = cluster.policy(&format!("policy{n}"), &spec);
        }
    });
    cold += timed("sync", &mut cluster, &mut Cluster::sync);
    cold += timed("1,000 label sets and 20 nodes get numbers", &mut cluster, &mut |cluster| {
        drop(cluster.number());
    });
    let one = timed("one pod more", &mut cluster, &mut |cluster| {
        let labels = json!({"app": "app1", "tier": "t1"});
        let _ = cluster.apply([pod_event(pod("more", labels, "node3", "10.2.0.1"))]);
    });
    let policy = timed("one policy changed", &mut cluster, &mut |cluster| {
        let spec = json!({"endpointSelector": {"matchLabels": {"app": "app1"}}, "ingress": [{}]});
        let _ = cluster.policy("policy1", &spec);
    });
    println!("{:?}", *cluster.outputs.sizes.borrow());
    assert_eq!(cluster.outputs.sizes.borrow().endpoints, 1001);
    // Far above what is measured without optimisation: this is to notice a blunder, not a regression.
    assert!(cold < Duration::from_secs(60) && one + policy < Duration::from_secs(5));
}
