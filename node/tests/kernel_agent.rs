//! The agent over devices and routes that come, go and move, with real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData};
use datapath::pods::{BRIEF, Pod, become_host, talks};
use datapath::rules::{allow_all, deny_but, lowered, open};
use datapath::{Root, ifindex, in_namespace, ip};
use postern_node::agent::{Agent, AgentConfig, ApplyError, Desired, DesiredEndpoint};
use postern_node::devices::Devices;
use postern_node_abi::Address;
use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::identity::IdentityId;
use postern_policy_core::world::WorkloadName;
use tokio::runtime::{Builder, Runtime};

const SERVER: &str = "default/server";
const FRIEND: &str = "default/friend";
const STRANGER: &str = "default/stranger";
const FRIENDS_IDENTITY: u32 = 257;
/// Longer than a device's name may be: the kernel answers with an error that is not "there is none".
const UNASKABLE: &str = "a-name-that-no-device-can-have";

/// A server that only its friend may reach, the friend, a stranger, and the agent of their node.
struct World {
    agent: Option<Agent>,
    runtime: Runtime,
    desired: Desired,
    server: Pod,
    friend: Pod,
    stranger: Pod,
    // Last, so that the datapath has given the folder up when it is removed.
    root: Root,
}

impl World {
    fn new() -> Self {
        become_host();
        let root = Root::new();
        let [server, friend, stranger] = [1, 2, 3].map(Pod::new);
        server.serve(80);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let desired = Desired {
            endpoints: [
                endpoint(SERVER, &server, &deny_but([allow_all(FRIENDS_IDENTITY)])),
                endpoint(FRIEND, &friend, &open()),
                endpoint(STRANGER, &stranger, &open()),
            ]
            .into(),
            identities: [("10.0.0.2/32", FRIENDS_IDENTITY), ("fd00::2/128", FRIENDS_IDENTITY)]
                .map(|(prefix, id)| (prefix.parse().unwrap(), IdentityId(id)))
                .into(),
            ..Desired::default()
        };
        let mut world = Self { agent: None, runtime, desired, server, friend, stranger, root };
        world.restart(&[]);
        world.apply().unwrap();
        world.guards();
        world
    }

    /// Another agent in place of the one there is, with devices that are named to it.
    fn restart(&mut self, named: &[(&str, &str)]) {
        self.agent = None;
        let devices = named.iter().map(|(name, device)| (WorkloadName::parse(name), (*device).to_owned()));
        let config = AgentConfig { devices: devices.collect(), ..AgentConfig::default() };
        let datapath = self.root.open();
        let devices = self.runtime.block_on(async { Devices::open().unwrap().0 });
        self.agent = Some(Agent::new(config, datapath, devices));
    }

    fn apply(&mut self) -> Result<(), ApplyError> {
        self.runtime.block_on(self.agent.as_mut().unwrap().apply(&self.desired))
    }

    /// The devices that have a record, and the numbers of their policies.
    fn records(&mut self) -> BTreeMap<u32, u32> {
        let status = self.agent.as_mut().unwrap().datapath().status().unwrap();
        status.endpoints.iter().map(|endpoint| (endpoint.state.ifindex, endpoint.policy)).collect()
    }

    /// The device at which the kernel has an address.
    fn local(&self, address: IpAddr) -> Option<u32> {
        let data = MapData::from_pin(self.root.0.join("v1/maps/LOCAL")).unwrap();
        let map = HashMap::<_, Address, u32>::try_from(Map::HashMap(data)).unwrap();
        map.get(&address.into(), 0).ok()
    }

    fn guards(&self) {
        for address in [self.server.v4(), self.server.v6()] {
            assert!(self.friend.reaches(address, 80), "{address}");
            assert!(self.stranger.cannot_reach(address, 80), "{address}");
        }
    }
}

fn endpoint(name: &str, pod: &Pod, ingress: &DirectionPolicy) -> (WorkloadName, DesiredEndpoint) {
    let addresses = vec![pod.v4(), pod.v6()];
    (WorkloadName::parse(name), DesiredEndpoint { addresses, policy: lowered(ingress, &open()) })
}

#[test]
fn an_endpoint_that_is_no_longer_wanted_is_closed() {
    in_namespace(|| {
        let mut world = World::new();
        let server = world.server.v4();
        let wait = Duration::from_secs(5);
        let mut stream = world.friend.connect(server, 80, wait).unwrap();
        assert!(talks(&mut stream, wait));
        world.friend.serve(80);
        assert!(world.server.reaches(world.friend.v4(), 80));
        world.desired.endpoints.remove(&WorkloadName::parse(SERVER));
        world.apply().unwrap();
        let closed = |world: &mut World| {
            assert!(!world.records().contains_key(&world.server.ifindex));
            let attached = world.agent.as_mut().unwrap().datapath().attached().unwrap();
            assert!(attached.contains(&world.server.ifindex), "the programs stay: {attached:?}");
            for (to, back) in [(world.server.v4(), world.friend.v4()), (world.server.v6(), world.friend.v6())]
            {
                for from in [&world.friend, &world.stranger] {
                    assert!(from.cannot_reach(to, 80), "{to}");
                    assert!(!from.udp(to, 80, BRIEF), "{to}");
                    assert!(!from.ping(to, BRIEF), "{to}");
                }
                assert!(world.server.cannot_reach(back, 80), "{back}");
                assert!(!world.server.udp(back, 80, BRIEF), "{back}");
            }
        };
        closed(&mut world);
        assert!(!talks(&mut stream, BRIEF), "nor goes on what was open");
        world.restart(&[]);
        closed(&mut world);
        world.apply().unwrap();
        closed(&mut world);
    });
}

#[test]
fn an_endpoint_without_a_route_keeps_its_policy_while_its_device_exists() {
    in_namespace(|| {
        let mut world = World::new();
        let (server, before) = (world.server.ifindex, world.records());
        for (family, address) in [("-4", "10.0.0.1/32"), ("-6", "fd00::1/128")] {
            ip(&format!("{family} route del {address} dev pod1"));
        }
        world.apply().unwrap();
        assert_eq!(world.records(), before);
        // An agent that takes over does not know it by name.
        world.restart(&[]);
        world.apply().unwrap();
        assert_eq!(world.records(), before);
        // What changes meanwhile is in force when the route is back.
        let (name, closed) = endpoint(SERVER, &world.server, &deny_but([]));
        world.desired.endpoints.insert(name, closed);
        world.apply().unwrap();
        assert_ne!(world.records()[&server], before[&server]);
        ip("route add 10.0.0.1/32 dev pod1");
        assert!(world.friend.cannot_reach(world.server.v4(), 80));
        // Somebody else's it never becomes.
        ip("route del 10.0.0.1/32 dev pod1");
        let (_, other) = endpoint("", &world.server, &open());
        world.desired.endpoints.remove(&WorkloadName::parse(SERVER));
        world.desired.endpoints.insert(WorkloadName::parse("default/other"), other);
        let error = world.apply().unwrap_err().to_string();
        assert!(error.contains("default/other") && error.contains("no device leads to it"), "{error}");
        assert!(!world.records().contains_key(&server));
    });
}

#[test]
fn a_record_goes_with_its_device() {
    in_namespace(|| {
        let mut world = World::new();
        ip("link del pod1");
        let error = world.apply().unwrap_err().to_string();
        assert!(error.contains(SERVER) && error.contains("no device leads to it"), "{error}");
        assert!(!world.records().contains_key(&world.server.ifindex));
        assert_eq!(world.local(world.server.v4()), None);
    });
}

#[test]
fn a_device_that_cannot_be_looked_up_is_told_and_keeps_its_policy() {
    in_namespace(|| {
        let mut world = World::new();
        let before = world.records();
        world.restart(&[(SERVER, UNASKABLE)]);
        let error = world.apply().unwrap_err().to_string();
        assert!(error.contains(UNASKABLE) && error.contains("cannot look the device"), "{error}");
        assert_eq!(world.records(), before);
        world.guards();
        // That there is none is another thing.
        world.restart(&[(SERVER, "nowhere")]);
        world.apply().unwrap();
        assert_eq!(world.records(), before);
        world.restart(&[(SERVER, "pod1")]);
        world.apply().unwrap();
        assert_eq!(world.records(), before);
    });
}

#[test]
fn a_workload_that_moves_to_another_device_is_found_there() {
    in_namespace(|| {
        let mut world = World::new();
        let (old, address) = (world.server.ifindex, world.server.v4());
        assert_eq!(world.local(address), Some(old));
        ip("link add moved type veth peer name moved-peer");
        ip("link set moved up");
        let new = ifindex("moved");
        let lead_to = |device: &str| {
            ip(&format!("route replace 10.0.0.1/32 dev {device}"));
            ip(&format!("-6 route replace fd00::1/128 dev {device}"));
        };
        for (device, number, left) in [("moved", new, old), ("pod1", old, new)] {
            lead_to(device);
            world.apply().unwrap();
            assert_eq!(world.local(address), Some(number), "{device}");
            let records = world.records();
            assert!(records.contains_key(&number) && !records.contains_key(&left), "{device}: {records:?}");
        }
        world.guards();
        // An agent that died between the record and the address leaves both records and the old device's address.
        let moved = postern_node::datapath::EndpointState { ifindex: new, id: new, ..world.server.state() };
        let policy = lowered(&deny_but([allow_all(FRIENDS_IDENTITY)]), &open());
        let _ = world.agent.as_mut().unwrap().datapath().set_endpoint(&moved, &policy).unwrap();
        world.agent = None;
        let data = MapData::from_pin(world.root.0.join("v1/maps/LOCAL")).unwrap();
        let mut map = HashMap::<_, Address, u32>::try_from(Map::HashMap(data)).unwrap();
        map.insert(Address::from(address), old, 0).unwrap();
        lead_to("moved");
        world.restart(&[]);
        world.apply().unwrap();
        assert_eq!(world.local(address), Some(new));
        assert!(!world.records().contains_key(&old));
    });
}
