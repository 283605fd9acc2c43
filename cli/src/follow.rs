//! Following a controller: where it is, who we are, what is done with what it sends.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;

use anyhow::{Context, bail};
use postern_policy_wire::{API_VERSION, Attach, Bundle, Direction, Report};
use postern_xds::client::{Client, ClientConfig, ClientCredentials, Kind, Pem, Refusal, Snapshot};

/// Where a node's policy comes from, when a controller has it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FollowArgs {
    /// Follow this controller, in place of files
    #[arg(long, value_name = "URL", requires_all = ["node", "ca"])]
    pub(crate) controller: Option<String>,
    /// The node whose policy is followed
    #[arg(long, value_name = "NAME", requires = "controller")]
    node: Option<String>,
    /// The authority that has signed the controller's certificate
    #[arg(long, value_name = "FILE", requires = "controller")]
    ca: Option<PathBuf>,
    /// The token that proves which node this is; read again for each connection
    #[arg(long, value_name = "FILE", requires = "controller", conflicts_with = "cert")]
    token: Option<PathBuf>,
    /// A certificate that proves it, in place of a token
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl FollowArgs {
    /// The client, if a controller is named.
    pub(crate) fn client(&self, kind: Kind) -> anyhow::Result<Option<Client>> {
        let Some(endpoint) = &self.controller else { return Ok(None) };
        let credentials = match (&self.token, &self.cert, &self.key) {
            (Some(token), ..) => ClientCredentials::Token(token.clone()),
            (None, Some(certificate), Some(key)) => ClientCredentials::Certificate {
                certificate: Pem::File(certificate.clone()),
                key: Pem::File(key.clone()),
            },
            _ => bail!(
                "the controller wants to know which node this is: expected --token, or --cert and --key"
            ),
        };
        let config = ClientConfig {
            endpoint: endpoint.clone(),
            server_name: None,
            authority: Pem::File(self.ca.clone().context("--ca is missing")?),
            credentials,
            node: self.node.clone().context("--node is missing")?,
            kind,
        };
        Ok(Some(Client::new(config)?))
    }
}

/// Follows for ever: each state goes to `apply`, whose refusal is what the controller reports.
pub(crate) async fn follow<F, R>(client: Client, mut apply: F) -> Infallible
where
    F: FnMut(Snapshot) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    client
        .follow(|snapshot| {
            let applied = apply(snapshot);
            async { applied.await.map_err(|error| Refusal { text: format!("{error:#}") }) }
        })
        .await
}

/// What a proxy of a whole node enforces: both ends of each connection.
pub(crate) fn node_bundle(snapshot: Snapshot) -> Bundle {
    Bundle {
        api_version: API_VERSION.to_owned(),
        attach: Attach { direction: Some(Direction::Both), ..Attach::default() },
        identities: snapshot.identities,
        endpoints: snapshot.endpoints,
        report: Report::default(),
        versions: None,
    }
}
