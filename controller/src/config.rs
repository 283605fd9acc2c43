//! What a controller is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::ServiceAccount;
use crate::lease::Timing;
use crate::tls::Name;

/// The name of the Lease and of the reporter of events.
pub const NAME: &str = "postern-controller";

/// The configuration of a controller.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach the API server; the environment of a pod or of kubectl, if not given.
    pub kubeconfig: Option<PathBuf>,
    /// The controller's own namespace: its Lease, its certificate and the service accounts of nodes are there.
    pub namespace: String,
    /// Its name among the replicas, such as the pod's; something random is added.
    pub identity: String,
    /// Where xDS is served.
    pub xds: SocketAddr,
    /// Where the conversion webhook is served.
    pub webhook: SocketAddr,
    /// Where the API server reaches it, if not by the service.
    pub webhook_url: Option<String>,
    /// What the controller is called by, besides its service's names.
    pub server_names: Vec<Name>,
    /// Where metrics and health are served.
    pub admin: Option<SocketAddr>,
    /// The certificate, if not one of its own making.
    pub certificate: Option<CertificateFiles>,
    /// The CA of clients that show a certificate in place of a token, as PEM.
    pub client_ca: Option<PathBuf>,
    /// Tokens of clients that have none of the cluster.
    pub token_file: Option<PathBuf>,
    /// The service accounts whose tokens are a node's.
    pub node_accounts: Vec<ServiceAccount>,
    /// Whether to define the custom resources at start.
    pub install_crds: bool,
    /// The times of the election.
    pub timing: Timing,
    /// How long an identity that nobody has any more is kept.
    pub identity_grace: Duration,
    /// How long the API server may be away before the controller is not ready.
    pub away: Duration,
}

/// A certificate that somebody else looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and what is between it and the CA.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA.
    pub ca: PathBuf,
}

impl Config {
    /// A controller in this namespace, with everything else as in the deployment.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        let any = std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        Self {
            kubeconfig: None,
            namespace: namespace.to_owned(),
            identity: NAME.to_owned(),
            xds: SocketAddr::new(any, 15010),
            webhook: SocketAddr::new(any, 9443),
            webhook_url: None,
            server_names: Vec::new(),
            admin: None,
            certificate: None,
            client_ca: None,
            token_file: None,
            node_accounts: vec![ServiceAccount {
                namespace: namespace.to_owned(),
                name: "postern-node".to_owned(),
            }],
            install_crds: false,
            timing: Timing::default(),
            identity_grace: Duration::from_secs(10 * 60),
            away: Duration::from_secs(30),
        }
    }
}
