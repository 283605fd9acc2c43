//! The server.

mod authenticate;
mod change;
mod profile;
mod report;
mod session;
mod stream;
mod streams;
mod subscription;
mod tls;
mod view;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

pub use authenticate::{Authenticator, ClientIdentity, Credentials};
pub use report::{ClientKind, Event, Report};
pub use tls::{TlsError, server_tls};

use crate::snapshot::NodeSnapshot;
use stream::Stream;
use streams::Streams;

/// Where snapshots come from.
pub trait Source: Send + Sync + 'static {
    /// What the node is to have, now and from now on. A node that nobody knows has a snapshot of revision 0, or
    /// an empty one, until it is known.
    fn watch(&self, node: &str) -> watch::Receiver<Arc<NodeSnapshot>>;
}

/// What one client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest request that is read. A client that connects again says what it has: about 60 bytes for each
    /// resource.
    pub request_bytes: usize,
    /// The largest response that is sent.
    pub response_bytes: usize,
    /// How many streams one node may have open: each Envoy on it has its own.
    pub streams_per_node: usize,
    /// How often a silent connection is asked whether it lives.
    pub keepalive: Duration,
    /// How long it may take to say so.
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_bytes: 16 << 20,
            response_bytes: 256 << 20,
            streams_per_node: 512,
            keepalive: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

/// Streams of one connection; a client needs one.
const STREAMS_PER_CONNECTION: u32 = 8;
/// How long connections may take to close once their streams have been ended.
const GRACE: Duration = Duration::from_secs(5);

/// Why the server has ended.
#[derive(Debug, thiserror::Error)]
#[error("the xDS server has ended: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Serves snapshots to the clients of all nodes, and to each client only its own node's.
#[derive(Debug)]
pub struct XdsServer<S, A> {
    source: S,
    authenticator: A,
    reports: mpsc::Sender<Report>,
    limits: Limits,
}

impl<S: Source, A: Authenticator> XdsServer<S, A> {
    /// A server of these snapshots for clients that `authenticator` knows. What happens to clients is told to
    /// `reports`; while that is full, no client gets ahead.
    pub fn new(source: S, authenticator: A, reports: mpsc::Sender<Report>) -> XdsServer<S, A> {
        XdsServer { source, authenticator, reports, limits: Limits::default() }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> XdsServer<S, A> {
        XdsServer { limits, ..self }
    }

    /// Serves until `shutdown`, then ends every stream; clients keep what they have.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: ServerTlsConfig,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let limits = self.limits;
        let (stop, stopping) = watch::channel(false);
        let ads = Ads {
            server: self,
            streams: Arc::default(),
            numbers: AtomicU64::default(),
            shutdown: stopping.clone(),
        };
        let service = AggregatedDiscoveryServiceServer::new(ads)
            .max_decoding_message_size(limits.request_bytes)
            .max_encoding_message_size(limits.response_bytes);
        let serving = Server::builder()
            .tls_config(tls)?
            .http2_keepalive_interval(Some(limits.keepalive))
            .http2_keepalive_timeout(Some(limits.keepalive_timeout))
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .add_service(service)
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stopped(stopping),
            );
        let stop = async move {
            shutdown.await;
            let _ = stop.send(true);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = stop => Ok(()),
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopped| *stopped).await;
}

struct Ads<S, A> {
    server: XdsServer<S, A>,
    streams: Arc<Streams>,
    numbers: AtomicU64,
    shutdown: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl<S: Source, A: Authenticator> AggregatedDiscoveryService for Ads<S, A> {
    type StreamAggregatedResourcesStream = tokio_stream::Empty<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "only the incremental protocol is served: use DeltaAggregatedResources, in Envoy api_type DELTA_GRPC",
        ))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let XdsServer { source, authenticator, reports, limits } = &self.server;
        let peer = request.remote_addr();
        let credentials = authenticate::credentials(&request)?;
        let identity = authenticator.authenticate(credentials).await.inspect_err(|status| {
            tracing::warn!(?peer, %status, "an xDS client is not authenticated");
        })?;
        let place = self.streams.enter(&identity.node, limits.streams_per_node)?;
        let (responses, receiver) = mpsc::channel(1);
        let stream = Stream {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            snapshots: source.watch(&identity.node),
            node: identity.node,
            requests: request.into_inner(),
            responses,
            reports: reports.clone(),
            shutdown: self.shutdown.clone(),
            place,
        };
        tokio::spawn(stream.run());
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
