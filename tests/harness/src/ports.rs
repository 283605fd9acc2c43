//! Free ports, kept free until they are used.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

/// A TCP port that the kernel gives to nobody else while this value lives.
///
/// The port is bound but not listening, with `SO_REUSEADDR`. Linux does not hand such a port out to
/// anyone who asks for "any port", and lets a server that sets `SO_REUSEADDR` itself (std, tokio and
/// Envoy all do) listen on it by number. So the reservation is held until the server is up, and there
/// is no moment in which two tests can be given the same port.
#[derive(Debug)]
pub struct Reserved {
    addr: SocketAddr,
    _socket: Socket,
}

impl Reserved {
    /// Reserves a free port of `ip`, which may be any address of 127.0.0.0/8.
    pub fn on(ip: IpAddr) -> Result<Reserved> {
        let wanted = SocketAddr::new(ip, 0);
        let socket = Socket::new(Domain::for_address(wanted), Type::STREAM, Some(Protocol::TCP))
            .context("cannot make a socket")?;
        socket.set_reuse_address(true).context("cannot set SO_REUSEADDR")?;
        socket.bind(&wanted.into()).with_context(|| format!("cannot reserve a port on {ip}"))?;
        let addr = socket
            .local_addr()
            .context("cannot read the reserved address")?
            .as_socket()
            .context("the reserved address is not an IP address")?;
        Ok(Reserved { addr, _socket: socket })
    }

    /// The reserved address, to be given to the server by number.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::TcpListener;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));

    #[test]
    fn reservations_differ_while_they_are_held() {
        let held: Vec<Reserved> = (0..50).map(|_| Reserved::on(HOME).unwrap()).collect();
        let ports: HashSet<u16> = held.iter().map(|reserved| reserved.addr().port()).collect();
        assert_eq!(ports.len(), held.len());
    }

    #[test]
    fn a_server_can_listen_on_a_reserved_port_and_nobody_gets_it_by_chance() {
        let reserved = Reserved::on(HOME).unwrap();
        for _ in 0..50 {
            let other = TcpListener::bind((HOME, 0)).unwrap();
            assert_ne!(other.local_addr().unwrap(), reserved.addr());
        }
        let server = TcpListener::bind(reserved.addr()).unwrap();
        assert_eq!(server.local_addr().unwrap(), reserved.addr());
    }
}
