//! Packets that are not as they should be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::net::{Ipv4Addr, Ipv6Addr};

use datapath::packets::{ACK, Ends, SYN, TCP, UDP, ethernet, icmp, ports, tcp, udp, v4, v6};
use datapath::rules::{allow, allow_all, deny_but, lowered, open};
use datapath::{Did, Root, device, endpoint, in_namespace, run, run_marked};
use postern_node::datapath::{Datapath, Events, Hook, Reason};
use postern_node_abi::Mark;
use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::port::Protocol;

const WORLD: u32 = 2;

struct World {
    datapath: Datapath,
    events: Events,
    ifindex: u32,
    // Last, so that the datapath has given the folder up when it is removed.
    _root: Root,
}

impl World {
    fn new(ingress: &DirectionPolicy, egress: &DirectionPolicy) -> Self {
        let root = Root::new();
        let ifindex = device("pod");
        let mut datapath = root.open();
        let _ = datapath.set_endpoint(&endpoint(ifindex, 1), &lowered(ingress, egress)).unwrap();
        Self { events: datapath.events().unwrap(), _root: root, datapath, ifindex }
    }

    fn to(&self, packet: &[u8]) -> Did {
        run(&self.datapath, Hook::ToEndpoint, self.ifindex, packet)
    }

    fn from(&self, packet: &[u8]) -> Did {
        run(&self.datapath, Hook::FromEndpoint, self.ifindex, packet)
    }

    fn reason(&mut self) -> Reason {
        let mut last = None;
        while let Some(event) = self.events.next() {
            last = Some(event);
        }
        last.expect("an event").reason
    }
}

fn own_v4() -> Ipv4Addr {
    [10, 0, 0, 1].into()
}

fn own_v6() -> Ipv6Addr {
    "fd00::1".parse().unwrap()
}

#[test]
fn a_foreign_source_is_dropped() {
    in_namespace(|| {
        let mut world = World::new(&open(), &open());
        assert_eq!(world.from(&Ends::new("10.0.0.1:1", "8.8.8.8:1").udp()), Did::Pass);
        for (from, to) in [
            ("10.0.0.2:1", "8.8.8.8:1"),
            ("0.0.0.0:1", "255.255.255.255:1"),
            ("[fd00::2]:1", "[2001:db8::1]:1"),
            ("[fe80::1]:1", "[2001:db8::1]:1"),
            ("[::]:1", "[2001:db8::1]:1"),
        ] {
            assert_eq!(world.from(&Ends::new(from, to).udp()), Did::Drop, "{from}");
            assert_eq!(world.reason(), Reason::SPOOFED, "{from}");
        }
    });
}

#[test]
fn a_device_without_a_record_is_closed() {
    in_namespace(|| {
        let world = World::new(&open(), &open());
        let other = device("other");
        for hook in [Hook::FromEndpoint, Hook::ToEndpoint] {
            let packet = Ends::new("10.0.0.1:1", "10.0.0.1:1").udp();
            assert_eq!(run(&world.datapath, hook, other, &packet), Did::Drop);
            assert_eq!(run(&world.datapath, hook, other, &ethernet(0x0806, &[0; 28])), Did::Drop);
        }
    });
}

#[test]
fn links_need_arp_and_neighbour_discovery() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([]), &deny_but([]));
        let peer: Ipv6Addr = "fe80::9".parse().unwrap();
        let sent = |from: Ipv6Addr, to: Ipv6Addr, hops: u8, kind: u8| {
            let mut body = icmp(kind, 0);
            body.extend([0; 16]);
            ethernet(0x86dd, &v6(from, to, 58, hops, &body))
        };
        let discovery = |from, hops, kind| sent(from, own_v6(), hops, kind);
        let asked = |from, kind| sent(from, "ff02::1:ff00:9".parse().unwrap(), 255, kind);
        assert_eq!(world.to(&ethernet(0x0806, &[0; 28])), Did::Pass);
        assert_eq!(world.from(&ethernet(0x0806, &[0; 28])), Did::Pass);
        for kind in 133..=137 {
            assert_eq!(world.to(&discovery(peer, 255, kind)), Did::Pass);
            assert_eq!(world.from(&asked(peer, kind)), Did::Pass);
            assert_eq!(world.from(&sent(own_v6(), peer, 255, kind)), Did::Pass);
            assert_eq!(world.from(&asked(Ipv6Addr::UNSPECIFIED, kind)), Did::Pass);
            assert_eq!(world.from(&asked("fd00::2".parse().unwrap(), kind)), Did::Drop);
            let world_wide = "2001:db8::1".parse().unwrap();
            assert_eq!(
                world.from(&sent(own_v6(), world_wide, 255, kind)),
                Did::Drop,
                "it would cross a router"
            );
            assert_eq!(world.to(&discovery(peer, 254, kind)), Did::Drop, "it crossed a router");
        }
        // In pieces it is nothing that the link needs (RFC 6980).
        let mut body = vec![58, 0, 0, 1, 0, 0, 0, 9];
        body.extend(icmp(135, 0));
        assert_eq!(world.to(&ethernet(0x86dd, &v6(peer, own_v6(), 44, 255, &body))), Did::Drop);
        for foreign in [0x8100, 0x88a8, 0x8847, 0x9000, 0x0004] {
            assert_eq!(world.to(&ethernet(foreign, &[0; 60])), Did::Drop);
            assert_eq!(world.from(&ethernet(foreign, &[0; 60])), Did::Drop);
        }
        assert_eq!(world.reason(), Reason::UNSUPPORTED);
    });
}

#[test]
fn without_default_deny_other_protocols_pass() {
    in_namespace(|| {
        let world = World::new(&deny_but([]), &open());
        assert_eq!(world.from(&ethernet(0x88cc, &[0; 60])), Did::Pass);
        assert_eq!(world.to(&ethernet(0x88cc, &[0; 60])), Did::Drop);
    });
}

#[test]
fn what_is_cut_short_is_dropped() {
    in_namespace(|| {
        let mut world = World::new(&open(), &open());
        for packet in [
            Ends::new("10.0.0.1:1", "8.8.8.8:1").tcp(SYN),
            Ends::new("10.0.0.1:1", "8.8.8.8:1").ping(),
            Ends::new("[fd00::1]:1", "[2001:db8::1]:1").tcp(SYN),
            Ends::new("[fd00::1]:1", "[2001:db8::1]:1").ping(),
        ] {
            assert_eq!(world.from(&packet), Did::Pass);
            // Anything shorter than the network's header, the kernel does not even show to programs here.
            for length in shortest(&packet)..packet.len() {
                assert_eq!(world.from(&packet[..length]), Did::Drop, "{length}");
                assert_eq!(world.reason(), Reason::TRUNCATED, "{length}");
            }
        }
        // The frame is padded, but the packet itself is too short for its transport.
        for (protocol, length) in [(TCP, 19), (UDP, 7), (132, 11), (1, 7)] {
            let mut packet =
                ethernet(0x0800, &v4(own_v4(), [8, 8, 8, 8].into(), protocol, 0, &vec![0x50; length]));
            packet.extend([0x50; 40]);
            assert_eq!(world.from(&packet), Did::Drop, "{protocol}");
        }
        for (byte, value) in [(14, 0x44), (14, 0x65), (14, 0x4f), (46, 0x40)] {
            let mut packet = Ends::new("10.0.0.1:1", "8.8.8.8:1").tcp(SYN);
            packet[byte] = value;
            assert_eq!(world.from(&packet), Did::Drop, "byte {byte} = {value:#x}");
        }
    });
}

#[test]
fn later_fragments_follow_the_first() {
    in_namespace(|| {
        let mut world = World::new(
            &deny_but([allow(WORLD, Protocol::Udp, 80), allow(WORLD, Protocol::Tcp, 80)]),
            &deny_but([]),
        );
        let peer: Ipv4Addr = [8, 8, 8, 8].into();
        const MORE: u16 = 0x2000;
        let piece =
            |protocol, field, body: &[u8]| ethernet(0x0800, &v4(peer, own_v4(), protocol, field, body));
        let filler = [0; 16];
        assert_eq!(world.to(&piece(UDP, 2, &filler)), Did::Drop);
        assert_eq!(world.reason(), Reason::UNKNOWN_FRAGMENT);
        assert_eq!(world.to(&piece(UDP, MORE, &udp(1, 80))), Did::Pass);
        assert_eq!(world.to(&piece(UDP, MORE | 2, &filler)), Did::Pass);
        assert_eq!(world.to(&piece(UDP, 4, &filler)), Did::Pass);
        assert_eq!(world.to(&piece(TCP, 4, &filler)), Did::Drop, "another protocol");
        // The same number with a first piece that may not pass.
        assert_eq!(world.to(&piece(UDP, MORE, &udp(1, 81))), Did::Drop);
        assert_eq!(world.to(&piece(UDP, 4, &filler)), Did::Drop);
        // A piece that would overwrite the flags of the first.
        assert_eq!(world.to(&piece(TCP, MORE, &tcp(1, 80, SYN))), Did::Pass);
        for offset in [1, 2] {
            assert_eq!(world.to(&piece(TCP, offset, &filler)), Did::Drop);
            assert_eq!(world.reason(), Reason::UNPARSABLE);
        }
        assert_eq!(world.to(&piece(TCP, 3, &filler)), Did::Pass);
        assert_eq!(world.to(&piece(TCP, MORE, &tcp(1, 80, SYN)[..16])), Did::Drop, "half a header");
    });
}

#[test]
fn extension_headers_are_gone_through() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([allow(WORLD, Protocol::Udp, 80)]), &deny_but([]));
        let peer: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let packet = |next: u8, body: &[u8]| ethernet(0x86dd, &v6(peer, own_v6(), next, 64, body));
        let chain = |headers: &[u8], last: u8, body: &[u8]| {
            let mut bytes = Vec::new();
            for (place, _) in headers.iter().enumerate() {
                let next = headers.get(place + 1).copied().unwrap_or(last);
                bytes.extend([next, 0, 1, 0, 0, 0, 0, 0]);
            }
            bytes.extend(body);
            (headers[0], bytes)
        };
        for headers in [&[0u8][..], &[60], &[0, 60], &[43], &[0, 60, 43, 60, 60, 60, 60]] {
            let (next, body) = chain(headers, UDP, &udp(1, 80));
            assert_eq!(world.to(&packet(next, &body)), Did::Pass, "{headers:?}");
            let (next, body) = chain(headers, UDP, &udp(1, 81));
            assert_eq!(world.to(&packet(next, &body)), Did::Drop, "{headers:?}");
            assert_eq!(world.reason(), Reason::POLICY_DENIED, "{headers:?}");
        }
        let (next, body) = chain(&[60; 9], UDP, &udp(1, 80));
        assert_eq!(world.to(&packet(next, &body)), Did::Drop);
        assert_eq!(world.reason(), Reason::UNPARSABLE, "too many");
        for hidden in [135, 139, 140] {
            let (next, body) = chain(&[0, hidden], UDP, &udp(1, 80));
            assert_eq!(world.to(&packet(next, &body)), Did::Drop);
            assert_eq!(world.reason(), Reason::UNPARSABLE, "{hidden}");
        }
        // A routing header that has still to be followed.
        let mut route = vec![UDP, 0, 0, 1, 0, 0, 0, 0];
        route.extend(udp(1, 80));
        assert_eq!(world.to(&packet(43, &route)), Did::Drop);
        // Pieces.
        let piece = |offset: u16, more: u16, body: &[u8]| {
            let mut bytes = vec![UDP, 0];
            bytes.extend(((offset * 8) | more).to_be_bytes());
            bytes.extend([0, 0, 0, 7]);
            bytes.extend(body);
            packet(44, &bytes)
        };
        assert_eq!(world.to(&piece(2, 0, &[0; 8])), Did::Drop);
        assert_eq!(world.reason(), Reason::UNKNOWN_FRAGMENT);
        assert_eq!(world.to(&piece(0, 1, &udp(1, 80))), Did::Pass);
        assert_eq!(world.to(&piece(2, 0, &[0; 8])), Did::Pass);
        assert_eq!(world.to(&piece(0, 0, &udp(2, 80))), Did::Pass, "a whole one");
        assert_eq!(world.to(&piece(0, 1, &ports(1, 80))), Did::Drop, "half a header");
        // An IPv4 address in disguise.
        let mapped = "::ffff:8.8.8.8".parse().unwrap();
        assert_eq!(world.to(&ethernet(0x86dd, &v6(mapped, own_v6(), UDP, 64, &udp(1, 80)))), Did::Drop);
        assert_eq!(world.reason(), Reason::UNPARSABLE);
    });
}

#[test]
fn marks_from_outside_count_for_nothing() {
    in_namespace(|| {
        let world = World::new(&deny_but([]), &open());
        let packet = Ends::new("10.0.0.1:1", "8.8.8.8:80").tcp(SYN);
        let did = run_marked(&world.datapath, Hook::FromEndpoint, world.ifindex, Mark::TO_PROXY, &packet);
        assert_eq!(did, Did::Pass, "and not steered");
    });
}

/// A generator of numbers that is the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 8).unwrap() % limit
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

#[test]
fn no_packet_whatsoever_passes_a_closed_endpoint() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([]), &deny_but([]));
        let fragment = |body: &[u8]| ethernet(0x0800, &v4(own_v4(), [8, 8, 8, 8].into(), UDP, 0x2000, body));
        let ends = [
            Ends::new("10.0.0.1:1", "8.8.8.8:80"),
            Ends::new("[fd00::1]:1", "[2001:db8::1]:80"),
            Ends::new("8.8.8.8:80", "10.0.0.1:1"),
            Ends::new("[2001:db8::1]:80", "[fd00::1]:1"),
        ];
        let mut seeds: Vec<Vec<u8>> = ends
            .iter()
            .flat_map(|ends| {
                let about = ends.reply().udp();
                [ends.tcp(SYN), ends.tcp(ACK), ends.udp(), ends.ping(), ends.pong(), ends.unreachable(&about)]
            })
            .collect();
        seeds.push(fragment(&udp(1, 80)));
        let mut hop_by_hop = vec![44, 0, 1, 4, 0, 0, 0, 0, UDP, 0, 0, 1, 0, 0, 0, 7];
        hop_by_hop.extend(udp(1, 80));
        seeds.push(ethernet(0x86dd, &v6(own_v6(), "2001:db8::1".parse().unwrap(), 0, 64, &hop_by_hop)));
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for round in 0..120_000 {
            let mut packet = seeds[numbers.below(seeds.len())].clone();
            match numbers.below(8) {
                0 => packet = (0..15 + numbers.below(120)).map(|_| numbers.byte()).collect(),
                1 => packet.truncate(15 + numbers.below(packet.len() - 15)),
                2 => (0..numbers.below(60)).for_each(|_| packet.push(numbers.byte())),
                _ => {}
            }
            for _ in 0..numbers.below(5) {
                // The headers are where it matters.
                let place = 12 + numbers.below(packet.len() - 12);
                packet[place] = numbers.byte();
            }
            packet.resize(packet.len().max(shortest(&packet)), 0);
            let hook = [Hook::FromEndpoint, Hook::ToEndpoint][numbers.below(2)];
            let mark = [0, Mark::TO_PROXY, Mark::FROM_PROXY][numbers.below(3)];
            let did = run_marked(&world.datapath, hook, world.ifindex, mark, &packet);
            let neighbour = is_link_protocol(&packet);
            assert!(did == Did::Drop || neighbour, "round {round}: {did:?} {hook:?} {packet:02x?}");
            if round % 1000 == 0 {
                while world.events.next().is_some() {}
            }
        }
    });
}

#[test]
fn no_packet_upsets_an_open_endpoint() {
    in_namespace(|| {
        let world = World::new(&deny_but([allow_all(WORLD)]), &open());
        let mut datapath = world.datapath;
        let uplink = device("uplink");
        datapath.set_identities([]).unwrap();
        let mut numbers = Numbers(0x1234_5678_9abc_def1);
        let seeds = [Ends::new("10.0.0.1:1", "8.8.8.8:80"), Ends::new("[2001:db8::1]:80", "[fd00::1]:1")];
        for _ in 0..30_000 {
            let ends = seeds[numbers.below(2)];
            let mut packet = [ends.tcp(SYN), ends.udp(), ends.unreachable(&ends.reply().tcp(ACK))]
                [numbers.below(3)]
            .clone();
            for _ in 0..numbers.below(4) {
                let place = 12 + numbers.below(packet.len() - 12);
                packet[place] = numbers.byte();
            }
            for hook in [Hook::FromUplink, Hook::ToUplink] {
                run_marked(&datapath, hook, uplink, [0, Mark::FROM_PROXY][numbers.below(2)], &packet);
            }
            run(&datapath, Hook::ToEndpoint, world.ifindex, &packet);
        }
    });
}

/// The length from which on the kernel runs a program on a made-up packet.
fn shortest(packet: &[u8]) -> usize {
    match packet[12..14] {
        [0x08, 0x00] => 34,
        [0x86, 0xdd] => 54,
        _ => 15,
    }
}

/// ARP, or neighbour discovery that never left the link.
fn is_link_protocol(packet: &[u8]) -> bool {
    match packet[12..14] {
        [0x08, 0x06] => true,
        // Extension headers may come before it.
        [0x86, 0xdd] => packet.len() > 21 && packet[21] == 255,
        _ => false,
    }
}
