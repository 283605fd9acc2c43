//! A box without the project's daemons: pods, deployments and services of a real API server become processes
//! in namespaces, and go.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::{Result, ensure};
use postern_tests_cluster::traces::Traces;
use postern_tests_cluster::{Cluster, Options};

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const DEMO: &str = include_str!("../../../deploy/tutorial/demo.yaml");
const SOON: Duration = Duration::from_secs(30);

fn start() -> Cluster {
    Cluster::start(&Options { daemons: false, ..Options::new(PROGRAM) }).unwrap()
}

/// What `curl` in a pod prints for a URL.
fn get(cluster: &Cluster, pod: &str, url: &str) -> Result<String> {
    let output = cluster.exec(pod, &["curl", "-sS", "-m", "5", url])?;
    ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn get_soon(cluster: &Cluster, pod: &str, url: &str) -> String {
    cluster.wait_for(SOON, |cluster| get(cluster, pod, url)).unwrap()
}

fn field(cluster: &Cluster, object: &str, path: &str) -> String {
    cluster.kubectl(&["get", object, "-o", &format!("jsonpath={path}")]).unwrap()
}

/// A pod with a name of its own; `spec` is what comes beside its containers.
fn pod(name: &str, image: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "labels": {{"id": "{name}"}}}},
            "spec": {{{spec}"containers": [{{"name": "main", "image": "{image}"}}]}}}}"#
    )
}

#[test]
fn the_tutorials_world_comes_up_answers_and_goes() {
    let cluster = start();
    let run = cluster.run();
    let created = cluster.create(DEMO).unwrap();
    assert!(created.contains("service/app1-service created"), "{created}");
    for app in ["id=app1", "id=app2", "id=app3"] {
        cluster.wait_for_pods(app, 1, SOON).unwrap();
    }
    cluster.kubectl(&["rollout", "status", "deployment/app1", "--timeout=30s"]).unwrap();

    let service = field(&cluster, "service/app1-service", "{.spec.clusterIP}");
    for app in ["app2", "app3"] {
        assert_eq!(
            get_soon(&cluster, app, &format!("http://{service}/public")),
            "{ 'val': 'this is public' }\n"
        );
        assert_eq!(
            get(&cluster, app, &format!("http://{service}/private")).unwrap(),
            "{ 'val': 'this is private' }\n"
        );
        // The server sees who it was, and not a node.
        let own = cluster.kubectl(&[
            "get",
            "pod",
            "-l",
            &format!("id={app}"),
            "-o",
            "jsonpath={.items[0].status.podIP}",
        ]);
        assert_eq!(get(&cluster, app, &format!("http://{service}/client")).unwrap().trim(), own.unwrap());
    }
    let endpoints = field(&cluster, "endpoints/app1-service", "{.subsets[0].addresses[0].targetRef.name}");
    assert!(endpoints.starts_with("app1-"), "{endpoints}");
    let log = cluster.pod_log("default", &endpoints);
    assert_eq!(log.lines().filter(|line| line.starts_with("GET /private ")).count(), 2, "{log}");

    cluster.kubectl(&["delete", "deployment", "app1"]).unwrap();
    cluster.wait_for_pods("id=app1", 0, SOON).unwrap();
    let url = format!("http://{service}/public");
    cluster
        .wait_for(SOON, |cluster| {
            let refused = get(cluster, "app2", &url).err().map(|error| error.to_string());
            ensure!(refused.as_ref().is_some_and(|error| error.contains("curl: (7)")), "{refused:?}");
            Ok(())
        })
        .unwrap();
    let there = Traces::of(run).unwrap();
    assert_eq!(there.namespaces.len(), 5, "two nodes, the fabric and two pods: {there:?}");
    drop(cluster);
    assert_eq!(Traces::of(run).unwrap(), Traces::default());
}

#[test]
fn pods_have_both_families_and_a_process_where_they_were_put() {
    let cluster = start();
    let on = |node: &str| format!(r#""nodeSelector": {{"kubernetes.io/hostname": "{node}"}}, "#);
    cluster.create(&pod("web", "postern.dev/demo-app", &on("node2"))).unwrap();
    cluster.create(&pod("near", "postern.dev/client", &on("node2"))).unwrap();
    cluster.create(&pod("far", "postern.dev/client", r#""nodeName": "node1", "#)).unwrap();
    cluster.create(&pod("odd", "nginx", "")).unwrap();
    cluster.create(&pod("nowhere", "postern.dev/client", &on("node9"))).unwrap();
    for name in ["web", "near", "far"] {
        cluster.wait_for_pods(&format!("id={name}"), 1, SOON).unwrap();
    }
    assert_eq!(field(&cluster, "pod/web", "{.spec.nodeName}"), "node2");
    assert_eq!(field(&cluster, "pod/far", "{.spec.nodeName}"), "node1");
    let addresses = field(&cluster, "pod/web", "{.status.podIPs[*].ip}");
    let [v4, v6] = addresses.split(' ').collect::<Vec<_>>()[..] else { panic!("{addresses}") };
    for (from, url) in [
        ("near", format!("http://{v4}/public")),
        ("near", format!("http://[{v6}]/public")),
        ("far", format!("http://{v4}/public")),
        ("far", format!("http://[{v6}]/public")),
    ] {
        assert_eq!(get(&cluster, from, &url).unwrap(), "{ 'val': 'this is public' }\n", "{from} {url}");
    }
    let why = |cluster: &Cluster| {
        let why = field(cluster, "pod/odd", "{.status.containerStatuses[0].state.waiting.message}");
        ensure!(why.contains("'nginx'"), "{why}");
        Ok(())
    };
    cluster.wait_for(SOON, why).unwrap();
    assert_eq!(field(&cluster, "pod/nowhere", "{.spec.nodeName}"), "");
    cluster.kubectl(&["delete", "pod", "web", "odd", "nowhere", "--timeout=20s"]).unwrap();
    assert_eq!(cluster.pods().unwrap(), ["default/far", "default/near"]);
}

#[test]
fn a_deployment_follows_its_template_and_its_number() {
    let cluster = start();
    cluster.create(DEMO).unwrap();
    cluster.kubectl(&["scale", "deployment/app1", "--replicas=3"]).unwrap();
    cluster.wait_for_pods("id=app1", 3, SOON).unwrap();
    let names = |cluster: &Cluster| {
        let pods = cluster.pods().unwrap().into_iter();
        pods.filter(|name| name.starts_with("default/app1-")).collect::<Vec<_>>()
    };
    let before = names(&cluster);
    cluster.kubectl(&["set", "env", "deployment/app1", "NEW=1"]).unwrap();
    cluster.kubectl(&["rollout", "status", "deployment/app1", "--timeout=30s"]).unwrap();
    cluster.wait_for_pods("id=app1", 3, SOON).unwrap();
    let after = names(&cluster);
    assert!(after.len() == 3 && after.iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
    cluster.kubectl(&["scale", "deployment/app1", "--replicas=1"]).unwrap();
    cluster.wait_for_pods("id=app1", 1, SOON).unwrap();
}

#[test]
fn pods_outlive_the_api_server() {
    let mut cluster = start();
    cluster.create(DEMO).unwrap();
    cluster.wait_for_pods("id=app1", 1, SOON).unwrap();
    cluster.wait_for_pods("id=app2", 1, SOON).unwrap();
    let url = format!("http://{}/public", field(&cluster, "service/app1-service", "{.spec.clusterIP}"));
    get_soon(&cluster, "app2", &url);
    cluster.server_mut().unwrap().stop();
    assert!(cluster.kubectl(&["get", "pods"]).is_err());
    get(&cluster, "app2", &url).unwrap();
    cluster.server_mut().unwrap().restart().unwrap();
    cluster.create(&pod("late", "postern.dev/client", "")).unwrap();
    cluster.wait_for_pods("id=late", 1, SOON).unwrap();
    get_soon(&cluster, "late", &url);
}
