//! Where clients come in.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};

use crate::config::{ProxyConfig, Upstream};
use crate::error::ProxyError;
use crate::transparent;

/// One listener, or two, one for each family. Workers accept from copies of them.
pub(crate) struct Listeners {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

impl Listeners {
    pub(crate) fn bind(config: &ProxyConfig) -> Result<Self, ProxyError> {
        let sockets = match &config.upstream {
            Upstream::Fixed(_) => vec![listen(config.listen)?],
            Upstream::Original(transparent) => both_families(transparent.mark)
                .map_err(|cause| ProxyError::Transparent { cause, mark: transparent.mark })?,
        };
        Ok(Self { sockets })
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address).collect()
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = (SocketAddr, BorrowedFd<'_>)> {
        self.sockets.iter().map(|(address, listener)| (*address, listener.as_fd()))
    }

    pub(crate) fn copies(&self) -> Result<Vec<TcpListener>, ProxyError> {
        let copies: io::Result<_> = self.sockets.iter().map(|(_, listener)| listener.try_clone()).collect();
        copies.map_err(ProxyError::Worker)
    }
}

fn both_families(mark: u32) -> io::Result<Vec<(SocketAddr, TcpListener)>> {
    let v4 = transparent::listen_v4()?;
    let mut sockets = vec![(v4.local_addr()?, v4)];
    match transparent::listen_v6()? {
        Some(v6) => sockets.push((v6.local_addr()?, v6)),
        None => tracing::info!("this machine has no IPv6: the proxy takes IPv4 connections only"),
    }
    // What upstream connections need is an error now, not when the first client comes.
    for (address, _) in &sockets {
        drop(transparent::outgoing(*address, mark)?);
    }
    Ok(sockets)
}

/// Listens on an address that clients know.
pub(crate) fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ProxyError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok((local, listener))
    });
    listener.map_err(|cause| ProxyError::Listen { address, cause })
}
