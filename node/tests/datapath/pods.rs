//! Pods: network namespaces behind pairs of devices, and a host that forwards between them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use postern_node::datapath::EndpointState;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Job, call, enter_new_namespace, ifindex, ip, thread_id};

/// How long something that has to work may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long something that must not work is waited for.
pub(crate) const BRIEF: Duration = Duration::from_millis(400);

/// A pod: a thread in a namespace of its own, with the addresses 10.0.0.n and fd00::n.
pub(crate) struct Pod {
    pub(crate) ifindex: u32,
    pub(crate) n: u8,
    jobs: mpsc::Sender<Job>,
}

/// Makes this namespace a host: it forwards.
pub(crate) fn become_host() {
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        // These files show the namespace of the thread that opens them.
        std::fs::write(format!("/proc/sys/net/{setting}"), "1").unwrap();
    }
}

impl Pod {
    /// Makes a pod and its device on the host, which is this thread's namespace.
    pub(crate) fn new(n: u8) -> Self {
        let (jobs, work) = mpsc::channel::<Job>();
        thread::spawn(move || {
            enter_new_namespace();
            work.into_iter().for_each(|job| job());
        });
        let thread = call(&jobs, thread_id);
        ip(&format!("link add pod{n} type veth peer name eth0 netns {thread}"));
        ip(&format!("link set pod{n} up"));
        ip(&format!("addr add 169.254.1.1/32 dev pod{n}"));
        ip(&format!("addr add fe80::1/64 dev pod{n} nodad"));
        ip(&format!("route add 10.0.0.{n}/32 dev pod{n}"));
        ip(&format!("-6 route add fd00::{n}/128 dev pod{n}"));
        call(&jobs, move || {
            ip("link set eth0 up");
            ip(&format!("addr add 10.0.0.{n}/32 dev eth0"));
            ip(&format!("addr add fd00::{n}/128 dev eth0 nodad"));
            ip("route add 169.254.1.1 dev eth0 scope link");
            ip("route add default via 169.254.1.1 dev eth0");
            ip("-6 route add default via fe80::1 dev eth0");
        });
        Self { ifindex: ifindex(&format!("pod{n}")), n, jobs }
    }

    pub(crate) fn state(&self) -> EndpointState {
        super::endpoint(self.ifindex, self.n)
    }

    pub(crate) fn v4(&self) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, self.n).into()
    }

    pub(crate) fn v6(&self) -> IpAddr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, self.n.into()).into()
    }

    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        call(&self.jobs, job)
    }

    /// Serves echoes of TCP and UDP at this port, for both families, as long as the test runs.
    pub(crate) fn serve(&self, port: u16) {
        for address in [self.v4(), self.v6()] {
            let (tcp, udp) = self.run(move || {
                let tcp = TcpListener::bind((address, port)).unwrap();
                (tcp, UdpSocket::bind((address, port)).unwrap())
            });
            thread::spawn(move || {
                tcp.incoming().flatten().for_each(|stream| drop(thread::spawn(|| echo(stream))));
            });
            thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                    drop(udp.send_to(&buffer[..length], from));
                }
            });
        }
    }

    /// A connection, or `None` where there is none in time.
    pub(crate) fn connect(&self, to: IpAddr, port: u16, wait: Duration) -> Option<TcpStream> {
        self.run(move || TcpStream::connect_timeout(&SocketAddr::new(to, port), wait).ok())
    }

    pub(crate) fn reaches(&self, to: IpAddr, port: u16) -> bool {
        let mut stream = self.connect(to, port, DEADLINE);
        stream.as_mut().is_some_and(|stream| talks(stream, DEADLINE))
    }

    pub(crate) fn cannot_reach(&self, to: IpAddr, port: u16) -> bool {
        self.connect(to, port, BRIEF).is_none()
    }

    pub(crate) fn udp(&self, to: IpAddr, port: u16, wait: Duration) -> bool {
        self.run(move || {
            let socket = UdpSocket::bind(SocketAddr::new(any(to), 0)).unwrap();
            socket.connect(SocketAddr::new(to, port)).unwrap();
            socket.set_read_timeout(Some(wait)).unwrap();
            socket.send(b"hello").unwrap();
            socket.recv(&mut [0; 64]).is_ok()
        })
    }

    /// Sends an echo request and waits for its answer.
    pub(crate) fn ping(&self, to: IpAddr, wait: Duration) -> bool {
        self.run(move || ping(to, wait))
    }
}

fn any(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 || stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// Whether the other end echoes in time.
pub(crate) fn talks(stream: &mut TcpStream, wait: Duration) -> bool {
    stream.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 5];
    stream.write_all(b"hello").is_ok() && stream.read_exact(&mut buffer).is_ok() && buffer == *b"hello"
}

fn ping(to: IpAddr, wait: Duration) -> bool {
    let (domain, protocol, request, reply) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::from(libc::SOCK_RAW), Some(protocol)).unwrap();
    socket.connect(&SocketAddr::new(to, 0).into()).unwrap();
    let mut message = [request, 0, 0, 0, 0x12, 0x34, 0, 1];
    if to.is_ipv4() {
        // IPv6's checksum is filled in by the kernel.
        let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    }
    socket.send(&message).unwrap();
    let end = Instant::now() + wait;
    let mut buffer = [0; 128];
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        match socket.read(&mut buffer) {
            Ok(length) => {
                let header = if to.is_ipv4() { 20 } else { 0 };
                let body = &buffer[header.min(length)..length];
                if body.first() == Some(&reply) && body.get(4..6) == Some(&[0x12, 0x34]) {
                    return true;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => return false,
        }
    }
    false
}
