//! Connections that the proxy has to get: marks, records, and sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(unsafe_code, reason = "two socket options are not in the standard library")]

mod datapath;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd};
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData};
use datapath::packets::{ACK, Ends, SYN, SYN_ACK};
use datapath::pods::{Pod, become_host, talks};
use datapath::rules::{allow_all, deny_but, http, lowered, open};
use datapath::{Did, Root, device, endpoint, in_namespace, ip, run, run_marked};
use postern_node::datapath::{Datapath, Events, Hook, Reason, register_listener};
use postern_node_abi::{Mark, SteeredKey};
use postern_policy_core::endpoint::DirectionPolicy;
use postern_policy_core::identity::IdentityId;
use socket2::{Domain, Socket, Type};

const CLIENT: u32 = 256;
const SERVER: u32 = 257;
const REMOTE: u32 = 258;
const WAIT: Duration = Duration::from_secs(5);

/// A client and a server on this node, and an uplink.
struct World {
    datapath: Datapath,
    events: Events,
    client: u32,
    server: u32,
    uplink: u32,
    // Last, so that the datapath has given the folder up when it is removed.
    root: Root,
}

impl World {
    fn new(client_egress: &DirectionPolicy, server_ingress: &DirectionPolicy) -> Self {
        let root = Root::new();
        let [client, server, uplink] = ["client", "server", "uplink"].map(device);
        let mut datapath = root.open();
        let table = [("10.0.0.1/32", CLIENT), ("10.0.0.2/32", SERVER), ("10.1.0.0/16", REMOTE)];
        datapath.set_identities(table.map(|(p, id)| (p.parse().unwrap(), IdentityId(id)))).unwrap();
        let events = datapath.events().unwrap();
        let mut world = Self { root, datapath, events, client, server, uplink };
        world.policy(client, 1, &open(), client_egress);
        world.policy(server, 2, server_ingress, &open());
        world
    }

    fn policy(&mut self, ifindex: u32, n: u8, ingress: &DirectionPolicy, egress: &DirectionPolicy) {
        let _ = self.datapath.set_endpoint(&endpoint(ifindex, n), &lowered(ingress, egress)).unwrap();
    }

    fn listen(&self) -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        register_listener(&self.root.0, listener.as_fd()).unwrap();
        listener
    }

    fn run(&self, hook: Hook, ifindex: u32, mark: u32, packet: &[u8]) -> Did {
        run_marked(&self.datapath, hook, ifindex, mark, packet)
    }

    fn dropped(&mut self, did: Did) -> Reason {
        assert_eq!(did, Did::Drop);
        let mut last = None;
        while let Some(event) = self.events.next() {
            last = Some(event.reason);
        }
        last.unwrap()
    }

    fn steered(&self) -> Vec<SteeredKey> {
        let data = MapData::from_pin(self.root.0.join("v1/maps/STEERED")).unwrap();
        let map: HashMap<MapData, SteeredKey, u32> = HashMap::try_from(Map::LruHashMap(data)).unwrap();
        map.keys().collect::<Result<_, _>>().unwrap()
    }
}

fn ends() -> Ends {
    Ends::new("10.0.0.1:4000", "10.0.0.2:80")
}

#[test]
fn without_a_proxy_nothing_passes() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([http(SERVER, 80)]), &open());
        let syn = ends().tcp(SYN);
        let did = world.run(Hook::FromEndpoint, world.client, 0, &syn);
        assert_eq!(world.dropped(did), Reason::NO_PROXY);
        let listener = world.listen();
        assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &syn), Did::Steer);
        drop(listener);
        let did = world.run(Hook::FromEndpoint, world.client, 0, &syn);
        assert_eq!(world.dropped(did), Reason::NO_PROXY, "the registration ended with the socket");
        assert!(world.steered().len() == 1);
    });
}

#[test]
fn either_end_can_ask_for_the_proxy() {
    in_namespace(|| {
        let policies = [
            (deny_but([http(SERVER, 80)]), deny_but([allow_all(CLIENT)])),
            (open(), deny_but([http(CLIENT, 80)])),
            (deny_but([allow_all(SERVER)]), deny_but([http(CLIENT, 80)])),
        ];
        for (egress, ingress) in policies {
            in_namespace(move || {
                let world = World::new(&egress, &ingress);
                let _listener = world.listen();
                let (there, back) = (ends(), ends().reply());
                assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &there.tcp(SYN)), Did::Steer);
                // The proxy answers in the server's name.
                assert_eq!(world.run(Hook::ToEndpoint, world.client, 0, &back.tcp(SYN_ACK)), Did::Pass);
                assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &there.tcp(ACK)), Did::Steer);
                // It connects to the server in the client's name, and gets the answers.
                let mut upstream = there;
                upstream.from.1 = 5000;
                let from_proxy = Mark::FROM_PROXY;
                assert_eq!(
                    world.run(Hook::ToEndpoint, world.server, from_proxy, &upstream.tcp(SYN)),
                    Did::Pass
                );
                assert_eq!(
                    world.run(Hook::FromEndpoint, world.server, 0, &upstream.reply().tcp(SYN_ACK)),
                    Did::Steer
                );
                assert_eq!(
                    world.run(Hook::ToEndpoint, world.server, from_proxy, &upstream.tcp(ACK)),
                    Did::Pass
                );
                let error = upstream.reply().unreachable(&upstream.tcp(ACK));
                assert_eq!(world.run(Hook::FromEndpoint, world.server, 0, &error), Did::Steer);
                // The server's own connection to the client, with the same ports, is none of the proxy's.
                assert_eq!(
                    world.run(Hook::FromEndpoint, world.server, 0, &upstream.reply().tcp(SYN)),
                    Did::Pass
                );
            });
        }
    });
}

#[test]
fn a_packet_that_missed_the_proxy_is_dropped() {
    in_namespace(|| {
        let mut world = World::new(&open(), &deny_but([http(CLIENT, 80)]));
        let _listener = world.listen();
        let syn = ends().tcp(SYN);
        let did = world.run(Hook::ToEndpoint, world.server, 0, &syn);
        assert_eq!(world.dropped(did), Reason::NOT_STEERED, "from the node itself, say");
        let did = world.run(Hook::ToEndpoint, world.server, Mark::TO_PROXY, &syn);
        assert_eq!(world.dropped(did), Reason::NOT_STEERED, "there is no routing rule");
        world.policy(world.server, 2, &open(), &open());
        let did = world.run(Hook::ToEndpoint, world.server, Mark::TO_PROXY, &syn);
        assert_eq!(
            world.dropped(did),
            Reason::NOT_STEERED,
            "even if the server would take it: the client's policy"
        );
        let did = world.run(Hook::ToUplink, world.uplink, Mark::TO_PROXY, &syn);
        assert_eq!(world.dropped(did), Reason::NOT_STEERED);
    });
}

#[test]
fn what_a_proxied_connection_may_do_ends_with_the_policy() {
    in_namespace(|| {
        let mut world = World::new(&open(), &deny_but([http(CLIENT, 80)]));
        let there = ends();
        let from_proxy = Mark::FROM_PROXY;
        assert_eq!(world.run(Hook::ToEndpoint, world.server, from_proxy, &there.tcp(SYN)), Did::Pass);
        world.policy(world.server, 2, &deny_but([allow_all(CLIENT)]), &open());
        assert_eq!(world.run(Hook::ToEndpoint, world.server, from_proxy, &there.tcp(ACK)), Did::Pass);
        world.policy(world.server, 2, &deny_but([]), &open());
        assert_eq!(world.run(Hook::ToEndpoint, world.server, from_proxy, &there.tcp(ACK)), Did::Drop);
        assert_eq!(world.run(Hook::FromEndpoint, world.server, 0, &there.reply().tcp(ACK)), Did::Drop);
    });
}

#[test]
fn a_client_that_no_longer_needs_the_proxy_is_not_given_to_it() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([http(SERVER, 80)]), &open());
        let _listener = world.listen();
        assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &ends().tcp(SYN)), Did::Steer);
        world.policy(world.client, 1, &open(), &deny_but([allow_all(SERVER)]));
        let ack = world.run(Hook::FromEndpoint, world.client, 0, &ends().tcp(ACK));
        assert_eq!(ack, Did::Steer, "the connection that is there goes on");
        assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &ends().tcp(SYN)), Did::Pass);
        assert!(world.steered().is_empty());
        world.policy(world.client, 1, &open(), &deny_but([]));
        assert_eq!(world.run(Hook::FromEndpoint, world.client, 0, &ends().tcp(ACK)), Did::Drop);
    });
}

#[test]
fn connections_from_elsewhere_are_steered_too() {
    in_namespace(|| {
        let mut world = World::new(&open(), &deny_but([http(REMOTE, 80), allow_all(CLIENT)]));
        let _listener = world.listen();
        let there = Ends::new("10.1.0.1:4000", "10.0.0.2:80");
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &there.tcp(SYN)), Did::Steer);
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &there.tcp(ACK)), Did::Steer);
        let mut other = there;
        other.to.1 = 81;
        let pass = world.run(Hook::FromUplink, world.uplink, 0, &other.tcp(SYN));
        assert_eq!(pass, Did::Pass, "the device of the endpoint decides");
        let did = world.run(Hook::ToEndpoint, world.server, 0, &other.tcp(SYN));
        assert_eq!(world.dropped(did), Reason::POLICY_DENIED);
        let elsewhere = Ends::new("10.1.0.1:4000", "10.0.0.9:80").tcp(SYN);
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &elsewhere), Did::Pass);
        let did = world.run(Hook::FromUplink, world.uplink, 0, &ends().tcp(SYN));
        assert_eq!(world.dropped(did), Reason::SPOOFED, "an endpoint of this node, from outside");
    });
}

#[test]
fn answers_from_elsewhere_find_the_proxy() {
    in_namespace(|| {
        let mut world = World::new(&deny_but([http(REMOTE, 80)]), &open());
        let _listener = world.listen();
        let there = Ends::new("10.0.0.1:5000", "10.1.0.1:80");
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &there.reply().tcp(SYN_ACK)), Did::Pass);
        assert_eq!(world.run(Hook::ToUplink, world.uplink, Mark::FROM_PROXY, &there.tcp(SYN)), Did::Pass);
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &there.reply().tcp(SYN_ACK)), Did::Steer);
        let beside = Ends::new("10.0.0.1:5001", "10.1.0.1:80").reply();
        assert_eq!(world.run(Hook::FromUplink, world.uplink, 0, &beside.tcp(SYN_ACK)), Did::Pass);
        world.policy(world.client, 1, &open(), &deny_but([]));
        let did = world.run(Hook::ToUplink, world.uplink, Mark::FROM_PROXY, &there.tcp(ACK));
        assert_eq!(world.dropped(did), Reason::POLICY_DENIED);
    });
}

#[test]
fn the_proxy_stands_between_real_connections() {
    in_namespace(|| {
        become_host();
        for family in ["-4", "-6"] {
            ip(&format!("{family} rule add fwmark 0x200/0xf00 lookup 2004"));
            ip(&format!("{family} route add local default dev lo table 2004"));
        }
        let root = Root::new();
        let [client, server] = [1, 2].map(Pod::new);
        server.serve(80);
        let mut datapath = root.open();
        let table = [(1, CLIENT), (2, SERVER)].into_iter().flat_map(|(n, id)| {
            [format!("10.0.0.{n}/32"), format!("fd00::{n}/128")].map(|p| (p.parse().unwrap(), IdentityId(id)))
        });
        datapath.set_identities(table).unwrap();
        let _ = datapath.set_endpoint(&client.state(), &lowered(&open(), &open())).unwrap();
        let ingress = deny_but([http(CLIENT, 80)]);
        let _ = datapath.set_endpoint(&server.state(), &lowered(&ingress, &open())).unwrap();
        datapath.attach_endpoint(client.ifindex).unwrap();
        datapath.attach_endpoint(server.ifindex).unwrap();
        datapath.attach_steering().unwrap();
        for (any, from, to) in [("0.0.0.0:0", client.v4(), server.v4()), ("[::]:0", client.v6(), server.v6())]
        {
            assert!(client.connect(to, 80, Duration::from_millis(300)).is_none(), "no proxy yet");
            let listener = transparent(any.parse().unwrap());
            listener.listen(16).unwrap();
            let listener: TcpListener = listener.into();
            register_listener(&root.0, listener.as_fd()).unwrap();
            // The steering program is exchanged under way, as by an agent that starts again.
            datapath.attach_steering().unwrap();
            let mut stream = client.connect(to, 80, WAIT).expect("a connection to the proxy");
            let (mut downstream, peer) = listener.accept().unwrap();
            assert_eq!(downstream.local_addr().unwrap(), SocketAddr::new(to, 80), "whom it wanted to reach");
            assert_eq!(peer, stream.local_addr().unwrap());
            let upstream = transparent(SocketAddr::new(from, 0));
            option(&upstream, libc::SOL_SOCKET, libc::SO_MARK, 0xa00);
            upstream.connect_timeout(&SocketAddr::new(to, 80).into(), WAIT).unwrap();
            let mut upstream: TcpStream = upstream.into();
            assert_eq!(upstream.local_addr().unwrap().ip(), from, "in the client's name");
            assert!(talks(&mut upstream, WAIT));
            stream.write_all(b"question").unwrap();
            let mut buffer = [0; 8];
            downstream.read_exact(&mut buffer).unwrap();
            downstream.write_all(b"response").unwrap();
            stream.set_read_timeout(Some(WAIT)).unwrap();
            stream.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"response");
            // Nothing else of the node is given to the listener.
            let port = listener.local_addr().unwrap().port();
            let host: IpAddr = if from.is_ipv4() { [169, 254, 1, 1].into() } else { "::1".parse().unwrap() };
            let other =
                TcpListener::bind((host, port + 1)).or_else(|_| TcpListener::bind((host, 0))).unwrap();
            let direct = TcpStream::connect(other.local_addr().unwrap()).unwrap();
            assert_eq!(other.accept().unwrap().1, direct.local_addr().unwrap());
        }
    });
}

/// A socket that may have any address.
fn transparent(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    match address {
        SocketAddr::V4(_) => option(&socket, libc::SOL_IP, libc::IP_TRANSPARENT, 1),
        SocketAddr::V6(_) => {
            socket.set_only_v6(true).unwrap();
            option(&socket, libc::SOL_IPV6, libc::IPV6_TRANSPARENT, 1);
        }
    }
    socket.bind(&address.into()).unwrap();
    socket
}

fn option(socket: &impl AsRawFd, level: i32, name: i32, value: i32) {
    let size = u32::try_from(size_of::<i32>()).unwrap();
    // SAFETY: the value lives until the call returns, and the size is its own.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
}

/// Unmarked packets of one endpoint.
#[test]
fn datagrams_are_never_steered() {
    in_namespace(|| {
        let world = World::new(&deny_but([http(SERVER, 80)]), &open());
        let _listener = world.listen();
        assert_eq!(run(&world.datapath, Hook::FromEndpoint, world.client, &ends().udp()), Did::Drop);
    });
}
