//! New connections.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::UpstreamError;

#[derive(Debug)]
pub(super) struct Connector {
    address: String,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(address: &str, limit: Duration) -> Self {
        Self { address: address.to_owned(), limit }
    }

    /// Looks the name up and tries its addresses.
    pub(super) async fn connect(&self) -> Result<TokioIo<TcpStream>, UpstreamError> {
        let address = || self.address.clone();
        let connecting = timeout(self.limit, TcpStream::connect(&self.address)).await;
        let stream = connecting
            .map_err(|_| UpstreamError::ConnectTimeout { address: address(), limit: self.limit })?
            .map_err(|cause| UpstreamError::Connect { address: address(), cause })?;
        // A refusal costs latency, nothing else.
        drop(stream.set_nodelay(true));
        Ok(TokioIo::new(stream))
    }
}
