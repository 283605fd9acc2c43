//! What tests say in one line.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use postern_tests_e2e::node::{Place, Pod};
use postern_tests_harness::{RawOutcome, Upstream};

/// What a denied request is answered.
pub(crate) const DENIED: &[u8] = b"Access denied\r\n";
const NOTHING: Duration = Duration::from_millis(1500);

/// The request passes, and the server sees it come from the pod itself.
#[track_caller]
pub(crate) fn passes(from: &Pod, server: &Upstream, to: SocketAddr, path: &str) {
    server.forget();
    let outcome = from.get(to, path).unwrap();
    assert_eq!(outcome.status(), Some(200), "{to} {path}: {outcome:?}");
    let seen = server.forget();
    let peers: Vec<_> = seen.iter().map(|seen| (seen.path.as_str(), seen.peer.ip().to_canonical())).collect();
    assert_eq!(peers, [(path, from.address_like(to.ip()))]);
}

/// The request is answered by the proxy, and the server sees nothing of it.
#[track_caller]
pub(crate) fn is_denied(from: &Pod, server: &Upstream, to: SocketAddr, path: &str) {
    server.forget();
    let outcome = from.get(to, path).unwrap();
    assert_eq!((outcome.status(), outcome.body()), (Some(403), DENIED), "{to} {path}: {outcome:?}");
    assert_eq!(server.forget(), []);
}

/// Not even a connection comes about.
#[track_caller]
pub(crate) fn is_dropped(from: &Pod, server: &Upstream, to: SocketAddr) {
    let before = server.connections();
    let outcome = from.get_nothing(to, "/public").unwrap();
    assert_eq!(outcome, RawOutcome::Timeout, "{to}");
    assert_eq!(server.connections(), before, "{to}: the server was reached");
}

/// A connection for plain bytes.
pub(crate) struct Stream(TcpStream);

impl Stream {
    pub(crate) fn open(place: &Place, to: SocketAddr) -> Self {
        Self(place.run(move || TcpStream::connect_timeout(&to, Duration::from_secs(10))).unwrap().unwrap())
    }

    /// Whether what is sent comes back.
    pub(crate) fn echoes(&mut self, bytes: &[u8], within: Duration) -> bool {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut back = vec![0; bytes.len()];
        self.0.write_all(bytes).is_ok() && self.0.read_exact(&mut back).is_ok() && back == bytes
    }
}

/// Whether a datagram comes back.
pub(crate) fn datagram(from: &Pod, to: SocketAddr, bytes: &'static [u8]) -> bool {
    let address = from.address_like(to.ip());
    from.place().run(move || datagram_from(address, to, bytes)).unwrap()
}

fn datagram_from(from: IpAddr, to: SocketAddr, bytes: &[u8]) -> bool {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(NOTHING)).unwrap();
    socket.send_to(bytes, to).unwrap();
    let mut back = [0; 64];
    socket.recv(&mut back).is_ok_and(|count| back[..count] == *bytes)
}

/// `postern` as a user who may nothing. The binary is read through a descriptor: its folder may be root's alone.
pub(crate) fn as_nobody(arguments: &[&str], bpffs: &Path) -> Output {
    let script = "exec 9<\"$1\"; shift; \
        exec setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/9 \"$@\"";
    let postern = postern_tests_harness::programs::postern().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(postern).args(arguments).arg("--bpffs").arg(bpffs);
    command.output().unwrap()
}
