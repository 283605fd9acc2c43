//! From a configuration to an open stream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};

use super::config::{ClientConfig, ClientCredentials, Pem};

const CONNECT: Duration = Duration::from_secs(10);
/// A connection that does not answer for as long as both together is given up.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// All identities of a cluster come in one response.
const RESPONSE_BYTES: usize = 256 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token's file does not hold a token.
    #[error("{}: expected a token, one line of printable text", .0.display())]
    Token(PathBuf),
    /// The server cannot be reached, or TLS not be set up with it.
    #[error("{0}")]
    Transport(String),
    /// The server has ended the stream.
    #[error("the server says {:?}: {}", .0.code(), .0.message())]
    Status(#[from] Status),
    /// The server has closed the stream without a word.
    #[error("the server has closed the stream")]
    Closed,
}

/// What is sent and what comes.
pub(super) type Streams = (mpsc::Sender<DeltaDiscoveryRequest>, Streaming<DeltaDiscoveryResponse>);

/// Opens a stream whose first requests are `first`.
pub(super) async fn connect(
    config: &ClientConfig,
    first: Vec<DeltaDiscoveryRequest>,
) -> Result<Streams, ConnectError> {
    let mut tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read_pem(&config.authority).await?));
    if let Some(name) = &config.server_name {
        tls = tls.domain_name(name);
    }
    let mut bearer = None;
    match &config.credentials {
        ClientCredentials::Token(path) => bearer = Some(read_token(path).await?),
        ClientCredentials::Certificate { certificate, key } => {
            tls = tls.identity(Identity::from_pem(read_pem(certificate).await?, read_pem(key).await?));
        }
    }
    let channel = Endpoint::from_shared(config.endpoint.clone())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(|error| transport(&error))?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(|error| transport(&error))?;

    let (requests, receiver) = mpsc::channel(first.len().max(1) + 1);
    for request in first {
        requests.send(request).await.map_err(|_| ConnectError::Closed)?;
    }
    let mut call = Request::new(ReceiverStream::new(receiver));
    if let Some(bearer) = bearer {
        call.metadata_mut().insert("authorization", bearer);
    }
    let mut client = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(RESPONSE_BYTES);
    let responses = client.delta_aggregated_resources(call).await?.into_inner();
    Ok((requests, responses))
}

async fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(owned)).await;
    let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(|source| ConnectError::File { path: path.to_owned(), source })
}

async fn read_pem(pem: &Pem) -> Result<Vec<u8>, ConnectError> {
    match pem {
        Pem::File(path) => read(path).await,
        Pem::Inline(pem) => Ok(pem.clone()),
    }
}

async fn read_token(path: &Path) -> Result<MetadataValue<Ascii>, ConnectError> {
    let token = || ConnectError::Token(path.to_owned());
    let text = String::from_utf8(read(path).await?).map_err(|_| token())?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(token());
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().map_err(|_| token())?;
    value.set_sensitive(true);
    Ok(value)
}

/// With its causes: "transport error" alone helps nobody.
fn transport(error: &tonic::transport::Error) -> ConnectError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    ConnectError::Transport(text)
}
