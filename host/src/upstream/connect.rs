//! New connections.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::UpstreamError;
use crate::transparent;

/// How to reach an upstream.
#[derive(Clone, Debug)]
pub(super) enum Connector {
    /// By host name or address.
    Fixed { address: Arc<str>, limit: Duration },
    /// From the client's address to where the client meant to go.
    Original { client: SocketAddr, destination: SocketAddr, mark: u32, limit: Duration },
}

impl Connector {
    /// Looks a name up and tries its addresses.
    pub(super) async fn connect(&self) -> Result<TokioIo<TcpStream>, UpstreamError> {
        let address = || self.to_string();
        let limit = self.limit();
        let connecting = timeout(limit, self.open()).await;
        let stream = connecting
            .map_err(|_| UpstreamError::ConnectTimeout { address: address(), limit })?
            .map_err(|cause| UpstreamError::Connect { address: address(), cause })?;
        // A refusal costs latency, nothing else.
        drop(stream.set_nodelay(true));
        Ok(TokioIo::new(stream))
    }

    async fn open(&self) -> std::io::Result<TcpStream> {
        match self {
            Self::Fixed { address, .. } => TcpStream::connect(&**address).await,
            Self::Original { client, destination, mark, .. } => {
                // What this machine answers to the client's address would go to the client, not to us.
                let socket = match transparent::is_own(destination.ip()) {
                    true => transparent::marked(*destination, *mark)?,
                    false => transparent::outgoing(*client, *mark)?,
                };
                TcpSocket::from_std_stream(socket.into()).connect(*destination).await
            }
        }
    }

    fn limit(&self) -> Duration {
        match self {
            Self::Fixed { limit, .. } | Self::Original { limit, .. } => *limit,
        }
    }
}

/// The upstream's address.
impl fmt::Display for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { address, .. } => out.write_str(address),
            Self::Original { destination, .. } => destination.fmt(out),
        }
    }
}
