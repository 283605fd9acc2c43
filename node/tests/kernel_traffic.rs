//! Real packets between namespaces, and an agent that comes and goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod datapath;

use std::time::Duration;

use datapath::pods::{BRIEF, Pod, become_host, talks};
use datapath::rules::{allow, allow_all, deny_but, lowered, open, rule};
use datapath::{Root, in_namespace, ip};
use postern_node::datapath::{Applied, Datapath, cleanup};
use postern_policy_core::endpoint::{Action, DirectionPolicy, Peers, Ports};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::port::Protocol;

const SERVER: u32 = 256;
const FRIEND: u32 = 257;
const STRANGER: u32 = 258;
const WAIT: Duration = Duration::from_secs(5);

/// Three pods: a server that only its friend may reach, the friend, and a stranger.
struct World {
    datapath: Option<Datapath>,
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
        server.serve(81);
        let mut world = Self { datapath: Some(root.open()), root, server, friend, stranger };
        world.identities();
        let _ = world.protect(&friends_only());
        let (friend, stranger) = (world.friend.state(), world.stranger.state());
        let datapath = world.datapath();
        let _ = datapath.set_endpoint(&friend, &lowered(&open(), &open())).unwrap();
        let _ = datapath.set_endpoint(&stranger, &lowered(&open(), &open())).unwrap();
        for ifindex in [world.server.ifindex, friend.ifindex, stranger.ifindex] {
            world.datapath().attach_endpoint(ifindex).unwrap();
        }
        world
    }

    fn datapath(&mut self) -> &mut Datapath {
        self.datapath.as_mut().unwrap()
    }

    fn identities(&mut self) {
        let pods = [(1, SERVER), (2, FRIEND), (3, STRANGER)];
        let table = pods.iter().flat_map(|(n, id)| {
            [format!("10.0.0.{n}/32"), format!("fd00::{n}/128")]
                .map(|p| (p.parse().unwrap(), IdentityId(*id)))
        });
        self.datapath().set_identities(table.collect::<Vec<_>>()).unwrap();
    }

    fn protect(&mut self, ingress: &DirectionPolicy) -> Applied {
        let state = self.server.state();
        self.datapath().set_endpoint(&state, &lowered(ingress, &open())).unwrap()
    }

    fn friend_is_in_and_stranger_out(&self) {
        for address in [self.server.v4(), self.server.v6()] {
            assert!(self.friend.reaches(address, 80), "{address}");
            assert!(self.friend.udp(address, 80, WAIT), "{address}");
            assert!(self.friend.cannot_reach(address, 81), "{address}");
            assert!(!self.friend.udp(address, 81, BRIEF), "{address}");
            assert!(self.stranger.cannot_reach(address, 80), "{address}");
            assert!(!self.stranger.udp(address, 80, BRIEF), "{address}");
            assert!(!self.stranger.ping(address, BRIEF), "{address}");
        }
    }
}

fn friends_only() -> DirectionPolicy {
    deny_but([allow(FRIEND, Protocol::Tcp, 80), allow(FRIEND, Protocol::Udp, 80)])
}

#[test]
fn policy_holds_for_real_traffic() {
    in_namespace(|| {
        let mut world = World::new();
        world.friend_is_in_and_stranger_out();
        for address in [world.friend.v4(), world.friend.v6()] {
            assert!(world.server.ping(address, WAIT), "what the server itself begins: {address}");
        }
        assert!(matches!(world.protect(&deny_but([allow_all(FRIEND)])), Applied::Written { .. }));
        for address in [world.server.v4(), world.server.v6()] {
            assert!(world.friend.ping(address, WAIT), "{address}");
            assert!(world.friend.reaches(address, 81), "{address}");
            assert!(!world.stranger.ping(address, BRIEF), "{address}");
        }
        let everyone = rule(Peers::Any, Ports::All, Action::Allow);
        let _ = world.protect(&deny_but([everyone]));
        assert!(world.stranger.ping(world.server.v6(), WAIT));
    });
}

#[test]
fn an_established_connection_is_cut_and_stays_cut() {
    in_namespace(|| {
        let mut world = World::new();
        for address in [world.server.v4(), world.server.v6()] {
            let _ = world.protect(&friends_only());
            let mut stream = world.friend.connect(address, 80, WAIT).unwrap();
            assert!(talks(&mut stream, WAIT));
            let _ = world.protect(&deny_but([allow(FRIEND, Protocol::Tcp, 81)]));
            assert!(!talks(&mut stream, Duration::from_secs(1)), "{address}");
        }
    });
}

#[test]
fn enforcement_and_connections_outlive_the_agent() {
    in_namespace(|| {
        let mut world = World::new();
        let mut streams: Vec<_> = [world.server.v4(), world.server.v6()]
            .map(|address| world.friend.connect(address, 80, WAIT).unwrap())
            .into();
        let before = world.datapath().status().unwrap();
        drop(world.datapath.take());
        assert!(streams.iter_mut().all(|stream| talks(stream, WAIT)));
        world.friend_is_in_and_stranger_out();

        world.datapath = Some(world.root.open());
        assert_eq!(world.datapath().status().unwrap(), before, "the same policies under the same numbers");
        assert!(streams.iter_mut().all(|stream| talks(stream, WAIT)));
        assert_eq!(world.protect(&friends_only()), Applied::Unchanged);
        world.identities();
        for ifindex in before.attached.clone() {
            world.datapath().attach_endpoint(ifindex).unwrap();
        }
        assert_eq!(world.datapath().status().unwrap(), before);
        assert!(streams.iter_mut().all(|stream| talks(stream, WAIT)));
        world.friend_is_in_and_stranger_out();
    });
}

#[test]
fn nothing_slips_through_while_agents_take_over() {
    in_namespace(|| {
        let mut world = World::new();
        let server = world.server.v4();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stranger = &world.stranger;
        let address = std::net::SocketAddr::new(server, 80);
        // The stranger tries all the time; its thread is busy until it is told to stop.
        let attempts = std::thread::scope(|scope| {
            let tries = scope.spawn(move || {
                stranger.run(move || {
                    let mut attempts = 0;
                    while stopped.try_recv().is_err() {
                        attempts += 1;
                        let wait = Duration::from_millis(5);
                        assert!(std::net::TcpStream::connect_timeout(&address, wait).is_err());
                    }
                    attempts
                })
            });
            for _ in 0..3 {
                drop(world.datapath.take());
                world.datapath = Some(world.root.open());
            }
            stop.send(()).unwrap();
            tries.join().unwrap()
        });
        assert!(attempts > 10, "{attempts}");
    });
}

#[test]
fn cleanup_removes_everything() {
    in_namespace(|| {
        let mut world = World::new();
        assert!(world.stranger.cannot_reach(world.server.v4(), 80));
        drop(world.datapath.take());
        std::fs::create_dir_all(world.root.0.join("v0/links")).unwrap();
        cleanup(&world.root.0).unwrap();
        assert!(!world.root.0.exists());
        assert!(world.stranger.reaches(world.server.v4(), 80));
        cleanup(&world.root.0).unwrap();
    });
}

#[test]
fn detaching_and_removing_are_two_things() {
    in_namespace(|| {
        let mut world = World::new();
        let (ifindex, server) = (world.server.ifindex, world.server.v4());
        world.datapath().remove_endpoint(ifindex).unwrap();
        assert!(world.friend.cannot_reach(server, 80), "attached, and without a record");
        world.datapath().detach(ifindex).unwrap();
        assert!(world.stranger.reaches(server, 80));
        let status = world.datapath().status().unwrap();
        assert!(!status.attached.contains(&ifindex));
        assert_eq!(status.endpoints.len(), 2);
        world.datapath().detach(ifindex).unwrap();
    });
}

#[test]
fn a_link_of_a_device_that_is_gone_is_forgotten() {
    in_namespace(|| {
        let mut world = World::new();
        let gone = world.server.ifindex;
        ip("link del pod1");
        assert!(world.datapath().attached().unwrap().contains(&gone));
        drop(world.datapath.take());
        world.datapath = Some(world.root.open());
        assert!(!world.datapath().attached().unwrap().contains(&gone));
        let error = world.datapath().attach_endpoint(gone).unwrap_err();
        assert!(error.to_string().contains("no device"), "{error}");
    });
}
