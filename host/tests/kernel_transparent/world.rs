//! A client, a node with the proxy, a server: each in a network namespace, in a row.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use postern_host::{Direction, GuestLimits, Plugin, Proxy, ProxyConfig, ProxyError, ProxyLimits, Upstream};
use socket2::{Domain, Socket, Type};
use tokio::sync::{oneshot, watch};

use crate::netns::Netns;
use crate::server::Server;
use crate::sk_lookup::SkLookup;

const MARK: u32 = 0xa00;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) client: Netns,
    pub(crate) node: Netns,
    pub(crate) server: Server,
    /// Where the proxy listens.
    pub(crate) listeners: Vec<SocketAddr>,
    admin: SocketAddr,
    /// `None` when the proxy is to stop.
    stop: Option<oneshot::Sender<()>>,
    proxy: Option<JoinHandle<Result<(), ProxyError>>>,
    pub(crate) lookup: SkLookup,
    _server: Netns,
}

impl World {
    pub(crate) fn new() -> Self {
        let [client, node, server] = [Netns::new(), Netns::new(), Netns::new()];
        link(
            &node,
            "to-client",
            "10.9.1.1/24",
            "fd09:1::1/64",
            &client,
            &["10.9.1.2/24", "10.9.1.3/24", "fd09:1::2/64"],
        );
        link(
            &node,
            "to-server",
            "10.9.2.1/24",
            "fd09:2::1/64",
            &server,
            &["10.9.2.2/24", "10.9.2.3/24", "fd09:2::2/64"],
        );
        steer(&node);
        let upstream = Server::start(&server);
        let Started { listeners, admin, stop, proxy, lookup } = start(&node);
        Self {
            client,
            node,
            server: upstream,
            listeners,
            admin,
            stop: Some(stop),
            proxy: Some(proxy),
            lookup,
            _server: server,
        }
    }

    /// Sends bytes from one address of the client to a server and reads the answer to its end.
    pub(crate) fn send(&self, from: &str, to: &str, request: &str) -> String {
        exchange(&self.client, from.parse().unwrap(), to.parse().unwrap(), request)
    }

    /// A GET on a connection of its own.
    pub(crate) fn get(&self, from: &str, to: &str, path: &str) -> String {
        self.send(from, to, &format!("GET {path} HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n"))
    }

    pub(crate) fn metrics(&self) -> String {
        let request = "GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n";
        exchange(&self.node, self.admin.ip(), self.admin, request)
    }
}

impl World {
    /// Stops the proxy.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(proxy) = self.proxy.take() {
            drop(proxy.join());
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Joins a namespace to the node, which is its gateway. The node has no route back but those of [`steer`].
fn link(node: &Netns, device: &str, v4: &str, v6: &str, end: &Netns, addresses: &[&str]) {
    node.ip(&format!("link add {device} type veth peer name eth0 netns {}", end.path()));
    for (netns, device) in [(node, device), (end, "eth0")] {
        netns.ip(&format!("link set {device} up"));
    }
    for address in [v4, v6] {
        add_address(node, address, &format!("{device} noprefixroute"));
    }
    for address in addresses {
        add_address(end, address, "eth0");
    }
    for gateway in [v4, v6] {
        let (gateway, _) = gateway.split_once('/').unwrap();
        end.ip(&format!("route add default via {gateway}"));
    }
}

fn add_address(netns: &Netns, address: &str, device: &str) {
    let nodad = if address.contains(':') { " nodad" } else { "" };
    netns.ip(&format!("address add {address} dev {device}{nodad}"));
}

/// All TCP from both sides is delivered on the node. The server's network is in reach only of packets with the mark.
fn steer(node: &Netns) {
    for (family, client, server) in
        [("-4", "10.9.1.0/24", "10.9.2.0/24"), ("-6", "fd09:1::/64", "fd09:2::/64")]
    {
        node.ip(&format!("{family} rule add pref 100 iif to-client ipproto tcp lookup 2004"));
        node.ip(&format!("{family} rule add pref 101 iif to-server ipproto tcp lookup 2004"));
        node.ip(&format!("{family} route add local default dev lo table 2004"));
        node.ip(&format!("{family} route add {client} dev to-client"));
        node.ip(&format!("{family} rule add pref 102 fwmark {MARK:#x}/0xf00 lookup 77"));
        node.ip(&format!("{family} route add {server} dev to-server table 77"));
    }
}

struct Started {
    listeners: Vec<SocketAddr>,
    admin: SocketAddr,
    stop: oneshot::Sender<()>,
    proxy: JoinHandle<Result<(), ProxyError>>,
    lookup: SkLookup,
}

fn start(node: &Netns) -> Started {
    let (stop, stopped) = oneshot::channel();
    let (up, is_up) = channel();
    let netns = node.clone();
    let proxy = node.spawn(move || {
        let (_configuration, receiver) = watch::channel(Bytes::from_static(b"open"));
        let proxy = Proxy::bind(config(), receiver)?;
        let (addresses, sockets): (Vec<_>, Vec<_>) = proxy.listeners().unzip();
        let lookup = SkLookup::attach(std::os::fd::AsFd::as_fd(&netns), &sockets).unwrap();
        up.send((addresses, proxy.admin_addr().unwrap(), lookup, proxy.config_status())).unwrap();
        proxy.run(async { drop(stopped.await) })
    });
    let (listeners, admin, lookup, mut status) = is_up.recv_timeout(PATIENCE * 6).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(status.wait(|worker| worker.accepted == 1)));
    Started { listeners, admin, stop, proxy, lookup }
}

fn config() -> ProxyConfig {
    ProxyConfig {
        listen: "192.0.2.1:1".parse().unwrap(),
        upstream: Upstream::original(MARK),
        workers: 1.try_into().unwrap(),
        admin: Some("127.0.0.1:0".parse().unwrap()),
        destination: None,
        direction: Direction::Inbound,
        plugin: Plugin {
            name: "test".into(),
            vm_id: String::new(),
            connection_root: Some("connections".into()),
            http_root: "requests".into(),
        },
        module: wat::parse_str(include_str!("guest.wat")).unwrap().into(),
        module_cache: None,
        guest_limits: GuestLimits::default(),
        limits: ProxyLimits { drain: Duration::from_millis(200), ..ProxyLimits::default() },
    }
}

fn exchange(netns: &Netns, from: IpAddr, to: SocketAddr, request: &str) -> String {
    let request = request.to_owned();
    netns.run(move || {
        let mut stream = connect(from, to);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
}

/// Connects from an address of this thread's namespace.
pub(crate) fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}
