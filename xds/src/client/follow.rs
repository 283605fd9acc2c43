//! Following a node's snapshot, through every loss of the connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind as ValueKind};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use tokio::sync::watch;
use tonic::Code;

use super::backoff::Backoff;
use super::config::{ClientConfig, ConfigError};
use super::connect::{ConnectError, connect};
use super::state::{Refusal, Snapshot, State, TYPES};
use crate::metadata;
use crate::resource::ResourceType;

/// How the connection is. Whatever it is, what was last applied is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// The server has taken the client.
    Connected,
    /// There is none; another attempt follows.
    Disconnected {
        /// Why.
        error: String,
    },
}

/// Follows what one node is to have.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    connection: watch::Sender<Connection>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(config: ClientConfig) -> Result<Client, ConfigError> {
        config.check()?;
        Ok(Client { config, connection: watch::Sender::new(Connection::Connecting) })
    }

    /// How the connection is, now and from now on.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.subscribe()
    }

    /// Connects, and again whenever the connection is lost, and gives `apply` each state that is to be in force:
    /// the first one when identities, services and endpoints have all come. What it takes is acknowledged, what
    /// it refuses is reported with its reason, and the client goes on from the state before. Drop the future to
    /// end it.
    pub async fn follow<F, R>(self, mut apply: F) -> Infallible
    where
        F: FnMut(Snapshot) -> R,
        R: Future<Output = Result<(), Refusal>>,
    {
        let mut state = State::default();
        let mut backoff = Backoff::default();
        loop {
            self.connection.send_replace(Connection::Connecting);
            let Err(error) = self.follow_once(&mut state, &mut backoff, &mut apply).await;
            let wait = backoff.next();
            tracing::warn!(%error, ?wait, "no connection to the controller; the last policy stays in force");
            self.connection.send_replace(Connection::Disconnected { error: error.to_string() });
            tokio::time::sleep(wait).await;
        }
    }

    async fn follow_once<F, R>(
        &self,
        state: &mut State,
        backoff: &mut Backoff,
        apply: &mut F,
    ) -> Result<Infallible, ConnectError>
    where
        F: FnMut(Snapshot) -> R,
        R: Future<Output = Result<(), Refusal>>,
    {
        let (requests, mut responses) = connect(&self.config, self.first_requests(state)).await?;
        self.connection.send_replace(Connection::Connected);
        tracing::info!(endpoint = self.config.endpoint, "connected to the controller");
        loop {
            let response = responses.message().await?.ok_or(ConnectError::Closed)?;
            *backoff = Backoff::default();
            let (type_url, nonce) = (response.type_url.clone(), response.nonce.clone());
            let revision = response.system_version_info.clone();
            let verdict = match state.take(response) {
                Err(wrong) => Err(wrong),
                Ok(taken) => match state.snapshot() {
                    None => Ok(()),
                    Some(snapshot) => apply(snapshot).await.map_err(|refusal| {
                        state.restore(taken);
                        refusal.text
                    }),
                },
            };
            if let Err(reason) = &verdict {
                tracing::error!(
                    reason,
                    revision,
                    "what the controller sent is refused; the last policy stays in force"
                );
            }
            let error_detail = verdict.err().map(|message| RpcStatus {
                code: Code::InvalidArgument.into(),
                message,
                ..RpcStatus::default()
            });
            let answer = DeltaDiscoveryRequest {
                type_url,
                response_nonce: nonce,
                error_detail,
                ..DeltaDiscoveryRequest::default()
            };
            requests.send(answer).await.map_err(|_| ConnectError::Closed)?;
        }
    }

    /// Everything of each type, and what of it is there already.
    fn first_requests(&self, state: &State) -> Vec<DeltaDiscoveryRequest> {
        let request = |resource_type: ResourceType| DeltaDiscoveryRequest {
            type_url: resource_type.type_url().to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            initial_resource_versions: state.versions(resource_type),
            ..DeltaDiscoveryRequest::default()
        };
        let mut requests: Vec<_> = TYPES.into_iter().map(request).collect();
        if let Some(first) = requests.first_mut() {
            first.node = Some(self.node());
        }
        requests
    }

    fn node(&self) -> Node {
        let text = |text: &str| Value { kind: Some(ValueKind::StringValue(text.to_owned())) };
        let fields = HashMap::from([
            (metadata::NODE.to_owned(), text(&self.config.node)),
            (metadata::KIND.to_owned(), text(self.config.kind.name())),
        ]);
        Node {
            id: self.config.node.clone(),
            user_agent_name: format!("postern-{}", self.config.kind.name()),
            metadata: Some(Struct { fields }),
            ..Node::default()
        }
    }
}
