//! Sockets with addresses that are not this machine's.

#![allow(unsafe_code, reason = "one socket option that socket2 does not have")]

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, SockAddr, Socket, Type};

/// Connections that wait to be accepted; the system's own limit may be lower.
const BACKLOG: i32 = 4096;

/// Listens on a free port of the IPv4 loopback address. A socket lookup program may hand the listener connections to any
/// address.
pub(crate) fn listen_v4() -> io::Result<TcpListener> {
    let socket = socket(Domain::IPV4)?;
    listen(socket, (Ipv4Addr::LOCALHOST, 0).into())
}

/// The same for IPv6. `None`: this machine has none.
pub(crate) fn listen_v6() -> io::Result<Option<TcpListener>> {
    let listener = socket(Domain::IPV6).and_then(|socket| {
        socket.set_only_v6(true)?;
        listen(socket, (Ipv6Addr::LOCALHOST, 0).into())
    });
    match listener {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn listen(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether an address is one of this machine's own.
pub(crate) fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// A socket that will connect from this machine's address, with this mark on its packets.
pub(crate) fn marked(destination: SocketAddr, mark: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(destination), Type::STREAM.nonblocking(), None)?;
    socket.set_mark(mark)?;
    Ok(socket)
}

/// A socket that will connect from the client's address, with this mark on its packets.
pub(crate) fn outgoing(client: SocketAddr, mark: u32) -> io::Result<Socket> {
    let mut source = client;
    source.set_port(0);
    let socket = socket(Domain::for_address(source))?;
    socket.set_mark(mark)?;
    // The port is chosen when the destination is known: one that is in use to another server will do.
    set_bind_address_no_port(&socket)?;
    socket.bind(&SockAddr::from(source))?;
    Ok(socket)
}

/// A non-blocking socket that may have any address.
fn socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
    if domain == Domain::IPV6 {
        socket.set_ip_transparent_v6(true)?;
    } else {
        socket.set_ip_transparent_v4(true)?;
    }
    Ok(socket)
}

/// For IPv6 sockets, too, it is an option of the level of IPv4.
fn set_bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while `socket` is borrowed; the value is a live `c_int` and `length` is its size.
    // The kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether a connection to this address came to the proxy itself: forwarding it would lead back to the proxy, for ever.
pub(crate) fn is_loop(destination: SocketAddr, listeners: &[SocketAddr]) -> bool {
    let ip = destination.ip().to_canonical();
    ip.is_loopback() || ip.is_unspecified() || listeners.contains(&destination)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_and_the_loopback_are_loops() {
        let listeners: [SocketAddr; 2] =
            ["10.0.0.9:4000".parse().unwrap(), "[fd00::9]:4000".parse().unwrap()];
        for looping in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "0.0.0.0:80",
            "[::]:80",
            "10.0.0.9:4000",
            "[fd00::9]:4000",
        ] {
            assert!(is_loop(looping.parse().unwrap(), &listeners), "{looping}");
        }
        for through in ["10.0.0.9:80", "10.0.0.1:4000", "[fd00::9]:80", "[::ffff:10.0.0.1]:80"] {
            assert!(!is_loop(through.parse().unwrap(), &listeners), "{through}");
        }
    }
}
