//! The network of a box by itself: who reaches whom, that traffic between nodes crosses the link, and that
//! nothing stays behind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern_tests_cluster::RunId;
use postern_tests_cluster::net::{Fabric, LINK, Namespace, Network, PodNet};
use postern_tests_cluster::subnets::Subnets;
use postern_tests_cluster::traces::{self, Traces};
use postern_tests_harness::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const SOON: Duration = Duration::from_secs(20);

/// A network with a pod and another on the first node, and one on the second.
struct World {
    servers: Vec<Child>,
    pods: Vec<PodNet>,
    network: Network,
}

impl World {
    fn create() -> World {
        let network = Network::create(free(), 2).unwrap();
        let pod = |node, number| PodNet::create(network.node(node).unwrap(), number, "default/pod").unwrap();
        let pods = vec![pod(1, 1), pod(1, 2), pod(2, 1)];
        let servers = pods.iter().map(serve).collect();
        World { servers, pods, network }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.kill().and_then(|()| server.wait()).unwrap();
        }
    }
}

fn free() -> RunId {
    let free = |run: &RunId| Subnets::of(*run).check_free().is_ok();
    (0..50).map(|_| RunId::random()).find(free).unwrap()
}

fn serve(pod: &PodNet) -> Child {
    let mut command = pod.command(PROGRAM);
    command.args(["pod", "demo-app", "--tcp=80", "--udp=53"]);
    command.stdout(Stdio::null()).spawn().unwrap()
}

fn get(mut command: Command, address: IpAddr) -> Result<String, String> {
    let url = format!("http://{}/client", SocketAddr::new(address, 80));
    let output = command.args(["-sS", "-m", "5", &url]).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn get_soon(from: &PodNet, to: IpAddr) -> String {
    // The servers are started, and not waited for.
    eventually(SOON, || get(from.command("curl"), to).map_err(|error| anyhow::anyhow!("{to}: {error}")))
        .unwrap()
}

fn ping(mut command: Command, address: IpAddr) {
    let output = command.args(["-c1", "-W5", &address.to_string()]).output().unwrap();
    assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stdout));
}

/// How many packets a device has received.
fn received(namespace: &Namespace, device: &str) -> u64 {
    let table = namespace.command("cat").arg("/proc/net/dev").output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{device}:"))).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn every_pod_reaches_every_pod_by_its_own_address() {
    let world = World::create();
    for from in &world.pods {
        for to in world.pods.iter().filter(|to| to.address() != from.address()) {
            for (own, address) in from.address().both().into_iter().zip(to.address().both()) {
                assert_eq!(get_soon(from, address), own.to_string());
                ping(from.command("ping"), address);
            }
        }
    }
}

#[test]
fn traffic_between_nodes_crosses_the_link_and_traffic_within_one_does_not() {
    let world = World::create();
    let node = world.network.node(1).unwrap();
    let crossed = || {
        let out = received(world.network.fabric().namespace(), &Fabric::device(1));
        out + received(node.namespace(), LINK)
    };
    let before = crossed();
    for address in world.pods[1].address().both() {
        get_soon(&world.pods[0], address);
    }
    // Neighbours may have been looked for meanwhile, which is a packet or two for each family.
    assert!(crossed() - before < 8, "{} packets", crossed() - before);
    let before = crossed();
    for address in world.pods[2].address().both() {
        get_soon(&world.pods[0], address);
    }
    assert!(crossed() - before >= 16, "{} packets", crossed() - before);
}

#[test]
fn pods_reach_the_world_and_their_nodes_and_nodes_reach_their_pods() {
    let world = World::create();
    for address in world.network.fabric().world().both() {
        ping(world.pods[0].command("ping"), address);
    }
    let node = world.network.node(2).unwrap();
    for address in node.addresses().both() {
        ping(world.pods[2].command("ping"), address);
        ping(world.pods[0].command("ping"), address);
    }
    for address in world.pods[2].address().both() {
        ping(node.namespace().command("ping"), address);
        ping(world.network.fabric().command("ping"), address);
    }
    for address in world.network.subnets().hub().both() {
        ping(node.namespace().command("ping"), address);
    }
}

#[test]
fn a_pod_that_goes_takes_its_address_along() {
    let mut world = World::create();
    let gone = world.pods.pop().unwrap().address();
    let mut server = world.servers.pop().unwrap();
    server.kill().and_then(|()| server.wait()).unwrap();
    for address in gone.both() {
        let error = get(world.pods[0].command("curl"), address).unwrap_err();
        // Refused by the node at once, where a packet that goes in circles would be waited for.
        assert!(error.contains("curl: (7)"), "{address}: {error}");
    }
    let again = PodNet::create(world.network.node(2).unwrap(), 1, "default/again").unwrap();
    ping(world.pods[0].command("ping"), again.address().v4.into());
}

#[test]
fn two_boxes_stand_side_by_side_and_neither_leaves_a_trace() {
    let (one, other) = (World::create(), World::create());
    let runs = [one.network.run(), other.network.run()];
    for world in [&one, &other] {
        get_soon(&world.pods[0], world.pods[2].address().v4.into());
    }
    for run in runs {
        let there = Traces::of(run).unwrap();
        assert_eq!(
            (there.processes.len(), there.namespaces.len(), there.devices.len()),
            (3, 6, 3),
            "{there:?}"
        );
    }
    drop(one);
    assert_eq!(Traces::of(runs[0]).unwrap(), Traces::default());
    get_soon(&other.pods[0], other.pods[2].address().v6.into());
    drop(other);
    assert_eq!(Traces::of(runs[1]).unwrap(), Traces::default());
}

#[test]
fn what_a_killed_owner_has_left_is_removed_by_the_name_of_the_run() {
    let world = World::create();
    let run = world.network.run();
    get_soon(&world.pods[0], world.pods[2].address().v4.into());
    // What does not happen when a process is killed.
    std::mem::forget(world);
    assert!(!Traces::of(run).unwrap().is_empty());
    traces::remove(run).unwrap();
    assert_eq!(Traces::of(run).unwrap(), Traces::default());
}
