//! Flows: what passes as a part of one, and when that ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use datapath::packets::{ACK, Ends, FIN_ACK, RST, SYN, SYN_ACK};
use datapath::rules::{allow, allow_all, deny_but, http, lowered, open};
use datapath::{Did, Root, device, endpoint, in_namespace, run};
use postern_node::datapath::{Applied, Datapath, FlowVerdict, Hook, Reason};
use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::identity::IdentityId;
use postern_policy_core::policy::Direction;
use postern_policy_core::port::Protocol;

const APP: u32 = 256;
const OTHER: u32 = 257;

/// One endpoint, and peers of two identities.
struct World {
    datapath: Datapath,
    ifindex: u32,
    // Last, so that the datapath has given the folder up when it is removed.
    root: Root,
}

impl World {
    fn new(ingress: &DirectionPolicy, egress: &DirectionPolicy) -> Self {
        let root = Root::new();
        let ifindex = device("pod");
        let mut world = Self { datapath: root.open(), root, ifindex };
        world.identities(APP);
        world.policy(ingress, egress);
        world
    }

    fn identities(&mut self, of_peer: u32) {
        let table = [("10.1.0.0/16", of_peer), ("fd00:1::/32", of_peer), ("10.2.0.0/16", OTHER)];
        let table = table.map(|(prefix, id)| (prefix.parse().unwrap(), IdentityId(id)));
        self.datapath.set_identities(table).unwrap();
    }

    fn policy(&mut self, ingress: &DirectionPolicy, egress: &DirectionPolicy) {
        let applied =
            self.datapath.set_endpoint(&endpoint(self.ifindex, 1), &lowered(ingress, egress)).unwrap();
        assert!(!matches!(applied, Applied::Closed { .. }));
    }

    fn to(&self, packet: &[u8]) -> Did {
        run(&self.datapath, Hook::ToEndpoint, self.ifindex, packet)
    }

    fn from(&self, packet: &[u8]) -> Did {
        run(&self.datapath, Hook::FromEndpoint, self.ifindex, packet)
    }
}

/// From the peer to the endpoint, in both families.
fn both() -> [Ends; 2] {
    [Ends::new("10.1.0.7:4000", "10.0.0.1:80"), Ends::new("[fd00:1::7]:4000", "[fd00::1]:80")]
}

#[test]
fn replies_pass_and_nothing_else_does() {
    in_namespace(|| {
        let world = World::new(&deny_but([allow(APP, Protocol::Tcp, 80)]), &deny_but([]));
        for ends in both() {
            let reply = ends.reply();
            assert_eq!(world.from(&reply.tcp(SYN_ACK)), Did::Drop, "no connection yet");
            assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
            assert_eq!(world.from(&reply.tcp(SYN_ACK)), Did::Pass);
            assert_eq!(world.to(&ends.tcp(ACK)), Did::Pass);
            assert_eq!(world.from(&reply.tcp(ACK)), Did::Pass);
            // The permission to answer is none to begin.
            assert_eq!(world.from(&reply.tcp(SYN)), Did::Drop, "a connection the other way");
            assert_eq!(world.from(&reply.tcp(ACK)), Did::Pass, "the flow goes on all the same");
            let mut elsewhere = reply;
            elsewhere.to.1 += 1;
            assert_eq!(world.from(&elsewhere.tcp(ACK)), Did::Drop, "another port");
            assert_eq!(world.from(&reply.udp()), Did::Drop, "another protocol");
        }
    });
}

#[test]
fn datagrams_and_echoes_have_replies_too() {
    in_namespace(|| {
        let world = World::new(&deny_but([]), &deny_but([allow_all(APP)]));
        for ends in both().map(Ends::reply) {
            let reply = ends.reply();
            assert_eq!(world.to(&reply.udp()), Did::Drop);
            assert_eq!(world.from(&ends.udp()), Did::Pass);
            assert_eq!(world.to(&reply.udp()), Did::Pass);
            assert_eq!(world.to(&reply.pong()), Did::Drop, "an answer that nobody asked for");
            assert_eq!(world.from(&ends.ping()), Did::Pass);
            assert_eq!(world.to(&reply.pong()), Did::Pass);
            for id in [ends.from.1, 8, 128, 0] {
                let ping = Ends { from: (reply.from.0, id), to: reply.to };
                assert_eq!(world.to(&ping.ping()), Did::Drop, "a question in the other direction, {id}");
            }
        }
    });
}

#[test]
fn errors_pass_if_they_speak_of_a_flow() {
    in_namespace(|| {
        let world = World::new(
            &deny_but([allow(APP, Protocol::Udp, 80)]),
            &deny_but([allow(APP, Protocol::Udp, 53)]),
        );
        for ends in both() {
            let router = Ends {
                from: (if ends.from.0.is_ipv4() { "10.2.0.9" } else { "fd00:2::9" }.parse().unwrap(), 0),
                to: ends.to,
            };
            let sent = Ends { from: (ends.to.0, 5000), to: (ends.from.0, 53) };
            assert_eq!(world.to(&router.unreachable(&sent.udp())), Did::Drop, "nothing was sent");
            assert_eq!(world.from(&sent.udp()), Did::Pass);
            assert_eq!(world.to(&router.unreachable(&sent.udp())), Did::Pass);
            let mut other = sent;
            other.to.1 = 54;
            assert_eq!(world.to(&router.unreachable(&other.udp())), Did::Drop);
            assert_eq!(world.to(&router.unreachable(&sent.reply().udp())), Did::Drop, "the wrong way round");
            // And the endpoint's own errors about what it was sent.
            assert_eq!(world.from(&ends.reply().unreachable(&ends.udp())), Did::Drop);
            assert_eq!(world.to(&ends.udp()), Did::Pass);
            assert_eq!(world.from(&ends.reply().unreachable(&ends.udp())), Did::Pass);
            // Cut short before the ports, it speaks of nothing.
            let error = router.unreachable(&sent.udp());
            let cut = error.len() - 10;
            let mut short = error;
            short.truncate(cut);
            let length = u16::try_from(cut - 14).unwrap();
            match ends.from.0.is_ipv4() {
                true => short[16..18].copy_from_slice(&length.to_be_bytes()),
                false => short[18..20].copy_from_slice(&(length - 40).to_be_bytes()),
            }
            assert_eq!(world.to(&short), Did::Drop);
        }
    });
}

#[test]
fn errors_do_not_prolong_a_flow() {
    in_namespace(|| {
        let world = World::new(&deny_but([]), &deny_but([allow_all(APP)]));
        let sent = both()[0].reply();
        assert_eq!(world.from(&sent.udp()), Did::Pass);
        let before = world.root.flows();
        assert_eq!(world.to(&sent.reply().unreachable(&sent.udp())), Did::Pass);
        assert_eq!(world.root.flows(), before);
        world.root.expire_flows();
        assert_eq!(world.to(&sent.reply().unreachable(&sent.udp())), Did::Drop);
    });
}

#[test]
fn a_change_of_policy_cuts_what_it_forbids() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([allow(APP, Protocol::Tcp, 80)]), &deny_but([]));
        for ends in both() {
            world.policy(&deny_but([allow(APP, Protocol::Tcp, 80)]), &deny_but([]));
            assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
            assert_eq!(world.from(&ends.reply().tcp(SYN_ACK)), Did::Pass);
            // Still allowed by another policy: it goes on.
            world.policy(&deny_but([allow_all(APP)]), &deny_but([]));
            assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Pass);
            world.policy(&deny_but([allow(APP, Protocol::Tcp, 81)]), &deny_but([]));
            assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Drop, "the answer comes first");
            assert_eq!(world.to(&ends.tcp(ACK)), Did::Drop);
        }
    });
}

#[test]
fn what_was_cut_does_not_come_back_by_the_other_direction() {
    in_namespace(|| {
        let allowed = deny_but([allow_all(APP)]);
        let mut world = World::new(&allowed, &open());
        for ends in both() {
            world.policy(&allowed, &open());
            assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
            assert_eq!(world.to(&ends.udp()), Did::Pass);
            world.policy(&deny_but([]), &open());
            for _ in 0..3 {
                // Retransmissions: they may be sent, but they are not the beginning of something new.
                assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Drop);
                assert_eq!(world.to(&ends.tcp(ACK)), Did::Drop);
                assert_eq!(world.from(&ends.reply().udp()), Did::Drop);
                assert_eq!(world.to(&ends.udp()), Did::Drop);
            }
            assert_eq!(world.from(&ends.reply().tcp(SYN)), Did::Pass, "a connection of its own");
            world.policy(&allowed, &open());
            assert_eq!(world.to(&ends.udp()), Did::Pass, "allowed again");
        }
    });
}

#[test]
fn a_flow_that_now_needs_the_proxy_is_cut() {
    in_namespace(|| {
        let plain = deny_but([allow(APP, Protocol::Tcp, 80)]);
        let mut world = World::new(&plain, &open());
        let ends = both()[0];
        assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
        world.policy(&deny_but([http(APP, 80)]), &open());
        assert_eq!(world.to(&ends.tcp(ACK)), Did::Drop);
        assert_eq!(world.to(&ends.tcp(SYN)), Did::Drop, "it did not come from the proxy");
        // A plain rule allows every request: what cannot reach the proxy may pass, and go on.
        world.policy(&deny_but([http(APP, 80), allow(APP, Protocol::Tcp, 80)]), &open());
        assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
        world.policy(&deny_but([http(APP, 80), allow_all(APP)]), &open());
        assert_eq!(world.to(&ends.tcp(ACK)), Did::Pass);
    });
}

#[test]
fn a_change_of_identity_cuts_what_it_forbids() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([allow_all(APP)]), &deny_but([]));
        for ends in both() {
            world.identities(APP);
            assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
            assert_eq!(world.to(&ends.udp()), Did::Pass);
            world.identities(OTHER);
            assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Drop);
            assert_eq!(world.to(&ends.udp()), Did::Drop);
        }
    });
}

#[test]
fn flows_end() {
    in_namespace(|| {
        let world = World::new(&deny_but([allow_all(APP)]), &deny_but([]));
        let ends = both()[0];
        let lifetime = || {
            let (_, value) = world.root.flows().into_iter().find(|(key, _)| key.protocol == 6).unwrap();
            let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            #[allow(unsafe_code, reason = "the programs' clock is not in the standard library")]
            // SAFETY: the structure lives until the call returns.
            unsafe {
                libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now);
            }
            value.expires_ns / 1_000_000_000 - u64::try_from(now.tv_sec).unwrap()
        };
        assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
        assert!((58..=61).contains(&lifetime()), "opening: {}", lifetime());
        assert_eq!(world.from(&ends.reply().tcp(SYN_ACK)), Did::Pass);
        assert!(lifetime() > 21_000, "established: {}", lifetime());
        assert_eq!(world.to(&ends.tcp(FIN_ACK)), Did::Pass);
        assert!(lifetime() > 21_000, "half closed: {}", lifetime());
        assert_eq!(world.from(&ends.reply().tcp(FIN_ACK)), Did::Pass);
        assert!(lifetime() <= 11, "closed: {}", lifetime());
        assert_eq!(world.to(&ends.tcp(SYN)), Did::Pass);
        assert!((58..=61).contains(&lifetime()), "opened again: {}", lifetime());
        assert_eq!(world.to(&ends.tcp(RST)), Did::Pass);
        assert!(lifetime() <= 11, "reset: {}", lifetime());
        assert_eq!(world.to(&ends.udp()), Did::Pass);
        assert_eq!(world.from(&ends.reply().udp()), Did::Pass);
        world.root.expire_flows();
        assert_eq!(world.from(&ends.reply().udp()), Did::Drop);
        assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Drop);
        assert_eq!(world.to(&ends.tcp(ACK)), Did::Pass, "picked up in the middle, as policy allows it");
        assert_eq!(world.from(&ends.reply().tcp(ACK)), Did::Pass);
    });
}

#[test]
fn drops_and_new_connections_are_events() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([allow(APP, Protocol::Tcp, 80)]), &deny_but([]));
        let mut events = world.datapath.events().unwrap();
        assert!(world.datapath.events().is_err(), "there is one reader");
        let ends = both()[1];
        world.to(&ends.tcp(SYN));
        world.to(&ends.tcp(ACK));
        world.to(&ends.udp());
        let new = events.next().unwrap();
        assert_eq!(
            (new.verdict, new.reason, new.direction),
            (FlowVerdict::Allowed, Reason::FORWARDED, Direction::Ingress)
        );
        assert_eq!((new.ifindex, new.endpoint, new.peer), (world.ifindex, 1, Some(IdentityId(APP))));
        assert_eq!((new.source, new.destination), (Some(ends.from.0), Some(ends.to.0)));
        assert_eq!((new.protocol, new.source_port, new.destination_port), (6, 4000, 80));
        let drop = events.next().unwrap();
        assert_eq!(
            (drop.verdict, drop.reason, drop.protocol),
            (FlowVerdict::Dropped, Reason::POLICY_DENIED, 17)
        );
        assert!(drop.time_ns >= new.time_ns);
        assert_eq!(events.next(), None);
        let counted = world.datapath.counters().unwrap();
        let of = |reason| counted.iter().find(|counted| counted.reason == reason).unwrap().packets;
        assert_eq!((of(Reason::FORWARDED), of(Reason::POLICY_DENIED)), (2, 1));
    });
}

#[test]
fn events_that_nobody_reads_are_lost_and_counted() {
    in_namespace(|| {
        let world = World::new(&deny_but([]), &deny_but([]));
        let packet = both()[0].udp();
        (0..20_000).for_each(|_| assert_eq!(world.to(&packet), Did::Drop));
        let counted = world.datapath.counters().unwrap();
        let lost = counted.iter().find(|counted| counted.reason == Reason::EVENTS_LOST).unwrap().packets;
        assert!(lost > 0);
    });
}
