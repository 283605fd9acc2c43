//! A delta client that says exactly what it is told.

use std::collections::HashMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use postern_xds::resource::ResourceType;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

use super::pki::Pki;
use super::soon;

pub(crate) struct RawClient {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

pub(crate) async fn channel(addr: SocketAddr, pki: &Pki) -> Channel {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pki.authority()));
    let endpoint = Endpoint::from_shared(format!("https://{addr}")).unwrap().tls_config(tls).unwrap();
    soon("connection", endpoint.connect()).await.unwrap()
}

/// A node with this metadata.
pub(crate) fn node(metadata: &[(&str, &str)]) -> Node {
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let fields = metadata.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
    Node { id: "anything".to_owned(), metadata: Some(Struct { fields }), ..Node::default() }
}

pub(crate) fn subscribe(resource_type: ResourceType, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: resource_type.type_url().to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

impl RawClient {
    /// Opens a stream; `first` is sent before the server has said anything.
    pub(crate) async fn open(
        addr: SocketAddr,
        pki: &Pki,
        authorization: Option<&str>,
        first: DeltaDiscoveryRequest,
    ) -> Result<RawClient, Status> {
        let (requests, receiver) = mpsc::channel(16);
        requests.send(first).await.unwrap();
        let mut call = Request::new(ReceiverStream::new(receiver));
        if let Some(value) = authorization {
            call.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        let mut client = AggregatedDiscoveryServiceClient::new(channel(addr, pki).await);
        let responses = soon("stream", client.delta_aggregated_resources(call)).await?.into_inner();
        Ok(RawClient { requests, responses })
    }

    /// A client of this node that wants all of a type and has some of it.
    pub(crate) async fn all_of(
        addr: SocketAddr,
        pki: &Pki,
        node: &str,
        resource_type: ResourceType,
        has: HashMap<String, String>,
    ) -> RawClient {
        let first = DeltaDiscoveryRequest {
            node: Some(self::node(&[("postern.dev/kind", "node")])),
            initial_resource_versions: has,
            ..subscribe(resource_type, &["*"])
        };
        RawClient::open(addr, pki, Some(&format!("Bearer token-of-{node}")), first).await.unwrap()
    }

    pub(crate) async fn send(&self, request: DeltaDiscoveryRequest) {
        self.requests.send(request).await.unwrap();
    }

    /// What comes next: a response, or how the stream ends.
    pub(crate) async fn next(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        match soon("response", self.responses.message()).await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(Status::ok("the stream has ended")),
            Err(status) => Err(status),
        }
    }

    pub(crate) async fn answer(&self, response: &DeltaDiscoveryResponse, refusal: Option<&str>) {
        let error =
            |message: &str| RpcStatus { code: 3, message: message.to_owned(), ..RpcStatus::default() };
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: refusal.map(error),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    /// The next response, taken.
    pub(crate) async fn take(&mut self) -> DeltaDiscoveryResponse {
        let response = self.next().await.unwrap();
        self.answer(&response, None).await;
        response
    }
}

/// The names of what a response has.
pub(crate) fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    response.resources.iter().map(|it| it.name.as_str()).collect()
}

/// The versions of what a response has.
pub(crate) fn versions(response: &DeltaDiscoveryResponse) -> HashMap<String, String> {
    response.resources.iter().map(|it| (it.name.clone(), it.version.clone())).collect()
}
