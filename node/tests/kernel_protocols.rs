//! Protocols without ports: an entry of the policy map on the protocol decides, as one on a port does for TCP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData};
use datapath::packets::{Ends, ethernet, v4};
use datapath::rules::{deny_but, lowered, open};
use datapath::{Did, Root, device, endpoint, in_namespace, run};
use postern_node::datapath::{Datapath, Hook};
use postern_node_abi::{PolicyKey, PolicyValue, Verdict, direction};
use postern_policy_core::endpoint::DirectionPolicy;

const WORLD: u32 = 2;
const PROTOCOLS: [(&str, u8); 8] = [
    ("IGMP", 2),
    ("IPIP", 4),
    ("IPv6", 41),
    ("GRE", 47),
    ("ESP", 50),
    ("AH", 51),
    ("VRRP", 112),
    ("unassigned", 200),
];

/// An endpoint, and the policy map for entries that no rule says yet.
struct World {
    datapath: Datapath,
    ifindex: u32,
    root: Root,
}

impl World {
    fn new(policy: &DirectionPolicy) -> Self {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &lowered(policy, policy)).unwrap();
        Self { datapath, ifindex, root }
    }

    /// An entry on every port of a protocol, in both directions.
    fn entry(&self, protocol: u8, verdict: u8) {
        let data = MapData::from_pin(self.root.0.join("v1/maps/POLICY")).unwrap();
        let mut map = LpmTrie::<_, PolicyKey, PolicyValue>::try_from(Map::LpmTrie(data)).unwrap();
        let policy = self.datapath.status().unwrap().endpoints[0].policy;
        for direction in [direction::INGRESS, direction::EGRESS] {
            let key = PolicyKey { policy, identity: WORLD, direction, protocol, port: [0; 2] };
            let value = PolicyValue { verdict, ..PolicyValue::default() };
            map.insert(&Key::new(PolicyKey::FIXED_BITS + 8, key), value, 0).unwrap();
        }
    }

    /// What becomes of the protocol's packets, each as the first of its flow: sent and got, of either family.
    fn fates(&self, protocol: u8) -> [Did; 4] {
        let ends = [("10.0.0.1:0", "8.8.8.8:0"), ("[fd00::1]:0", "[2001:db8::1]:0")];
        let ends = ends.map(|(from, to)| Ends::new(from, to));
        let fate = |hook, ends: Ends| {
            self.root.forget_flows();
            run(&self.datapath, hook, self.ifindex, &ends.ip(protocol, &[0; 16]))
        };
        let [v4, v6] = ends;
        [
            fate(Hook::FromEndpoint, v4),
            fate(Hook::FromEndpoint, v6),
            fate(Hook::ToEndpoint, v4.reply()),
            fate(Hook::ToEndpoint, v6.reply()),
        ]
    }
}

#[test]
fn an_entry_on_the_protocol_decides() {
    in_namespace(|| {
        let check = |policy: DirectionPolicy, verdict: Option<u8>, expected: Did| {
            // A namespace of its own, where the device's name is free.
            in_namespace(move || {
                let world = World::new(&policy);
                for (name, protocol) in PROTOCOLS {
                    verdict.inspect(|verdict| world.entry(protocol, *verdict));
                    assert_eq!(world.fates(protocol), [expected; 4], "{name}: {verdict:?} of {policy:?}");
                }
            });
        };
        check(deny_but([]), None, Did::Drop);
        check(deny_but([]), Some(Verdict::ALLOW), Did::Pass);
        check(open(), None, Did::Pass);
        check(open(), Some(Verdict::DENY), Did::Drop);
        // What is no HTTP cannot go to the proxy.
        check(open(), Some(Verdict::REDIRECT), Did::Drop);
    });
}

#[test]
fn an_entry_on_one_protocol_says_nothing_of_others() {
    in_namespace(|| {
        let world = World::new(&deny_but([]));
        world.entry(47, Verdict::ALLOW);
        for (name, protocol) in PROTOCOLS.into_iter().filter(|(_, protocol)| *protocol != 47) {
            assert_eq!(world.fates(protocol), [Did::Drop; 4], "{name}");
        }
    });
}

#[test]
fn the_answers_pass_without_an_entry_of_their_own() {
    in_namespace(|| {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let policy = lowered(&deny_but([]), &open());
        let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &policy).unwrap();
        let ends = Ends::new("10.0.0.1:0", "8.8.8.8:0");
        let other = Ends::new("8.8.4.4:0", "10.0.0.1:0");
        for (name, protocol) in PROTOCOLS {
            let [sent, answer, other] = [ends, ends.reply(), other].map(|ends| ends.ip(protocol, &[0; 16]));
            assert_eq!(run(&datapath, Hook::ToEndpoint, ifindex, &answer), Did::Drop, "{name}");
            assert_eq!(run(&datapath, Hook::FromEndpoint, ifindex, &sent), Did::Pass, "{name}");
            assert_eq!(run(&datapath, Hook::ToEndpoint, ifindex, &answer), Did::Pass, "{name}");
            assert_eq!(run(&datapath, Hook::ToEndpoint, ifindex, &other), Did::Drop, "{name}");
        }
    });
}

#[test]
fn pieces_follow_the_first() {
    in_namespace(|| {
        let world = World::new(&deny_but([]));
        let piece = |protocol, field| {
            let body =
                ethernet(0x0800, &v4([8, 8, 8, 8].into(), [10, 0, 0, 1].into(), protocol, field, &[0; 16]));
            run(&world.datapath, Hook::ToEndpoint, world.ifindex, &body)
        };
        for (name, protocol) in PROTOCOLS {
            assert_eq!(piece(protocol, 2), Did::Drop, "{name}");
            world.entry(protocol, Verdict::ALLOW);
            assert_eq!(piece(protocol, 0x2000), Did::Pass, "{name}");
            assert_eq!(piece(protocol, 2), Did::Pass, "{name}");
        }
    });
}

#[test]
fn the_other_familys_icmp_is_no_icmp() {
    in_namespace(|| {
        let world = World::new(&open());
        // Of either protocol, whatever is said of it; its own family's packets here are no ICMP by their bytes.
        let [v4, v6] = [1, 58].map(|protocol| {
            world.entry(protocol, Verdict::ALLOW);
            world.fates(protocol)
        });
        assert_eq!([v4[1], v4[3]], [Did::Drop; 2], "ICMP in IPv6");
        assert_eq!([v6[0], v6[2]], [Did::Drop; 2], "ICMPv6 in IPv4");
        assert_eq!([v4[0], v6[1]], [Did::Pass; 2], "each in its own family");
    });
}
