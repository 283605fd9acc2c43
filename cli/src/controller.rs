//! `postern controller`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use postern_controller::auth::ServiceAccount;
use postern_controller::tls::Name;
use postern_controller::{CertificateFiles, Config, Controller};
use postern_ops::{LogFormat, init_log};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::Outcome;

/// Tell the nodes of a Kubernetes cluster their policy
///
/// Watches policies, pods, namespaces, nodes and services; serves every node what concerns it by xDS; converts
/// cilium.io/v1 for the API server; and writes into the status of a policy whether it is valid and on how many of its
/// endpoints it is enforced. Several may run: one leads. While none runs, nodes keep what they have.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  In the cluster, as deploy/kubernetes has it:
    postern controller --namespace postern-system --admin 0.0.0.0:9903
  Outside of it, where the API server reaches this machine at 192.0.2.1:
    postern controller --kubeconfig ~/.kube/config --install-crds \\
      --xds 192.0.2.1:15010 --webhook 192.0.2.1:9443 --webhook-url https://192.0.2.1:9443")]
pub(crate) struct Args {
    /// How to reach the API server; without it KUBECONFIG, ~/.kube/config or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The controller's own namespace: the lease, the certificate and the nodes' service account are there
    #[arg(long, default_value = "postern-system")]
    namespace: String,
    /// The name of this replica, such as the pod's; the host's name, if not given
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Where nodes connect
    #[arg(long, default_value = "[::]:15010", value_name = "ADDRESS:PORT")]
    xds: SocketAddr,
    /// Where the API server has policies converted
    #[arg(long, default_value = "[::]:9443", value_name = "ADDRESS:PORT")]
    webhook: SocketAddr,
    /// Where the API server reaches that, if not by the service postern-controller
    #[arg(long, value_name = "https://HOST:PORT")]
    webhook_url: Option<String>,
    /// Further names and addresses for the certificate
    #[arg(long, num_args = 1.., value_name = "NAME")]
    server_name: Vec<Name>,
    /// Serve /metrics, /healthz and /readyz here
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<SocketAddr>,
    /// The certificate, in place of one that the controller makes and renews by itself
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "ca")]
    tls_key: Option<PathBuf>,
    /// The CA that it is from, which nodes and the API server are told of
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    ca: Option<PathBuf>,
    /// Take client certificates of this CA that name a node as node:NAME
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Take the tokens of this file too: lines of a token and the name of its node
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The service accounts of nodes; NAMESPACE/postern-node, if not given
    #[arg(long, num_args = 1.., value_name = "NAMESPACE/NAME")]
    node_account: Vec<ServiceAccount>,
    /// Define the custom resources first
    #[arg(long)]
    install_crds: bool,
    /// How many seconds an identity is kept that no pod has
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    identity_grace: u32,
    /// What is logged, such as `info` or `warn,postern_controller=debug`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

impl Args {
    fn config(&self) -> Config {
        let defaults = Config::new(&self.namespace);
        let certificate = match (&self.tls_cert, &self.tls_key, &self.ca) {
            (Some(certificate), Some(key), Some(ca)) => {
                Some(CertificateFiles { certificate: certificate.clone(), key: key.clone(), ca: ca.clone() })
            }
            _ => None,
        };
        let accounts = &self.node_account;
        Config {
            kubeconfig: self.kubeconfig.clone(),
            identity: self.identity.clone().or_else(host_name).unwrap_or(defaults.identity),
            xds: self.xds,
            webhook: self.webhook,
            webhook_url: self.webhook_url.clone(),
            server_names: self.server_name.clone(),
            admin: self.admin,
            certificate,
            client_ca: self.client_ca.clone(),
            token_file: self.token_file.clone(),
            node_accounts: if accounts.is_empty() { defaults.node_accounts } else { accounts.clone() },
            install_crds: self.install_crds,
            identity_grace: std::time::Duration::from_secs(self.identity_grace.into()),
            ..defaults
        }
    }
}

/// In a pod it is the pod's name.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    init_log(&args.log, LogFormat::Auto)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is announced: a signal is never lost.
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let controller = Controller::start(args.config()).await?;
        tracing::info!(xds = %args.xds, webhook = %args.webhook, "the controller is up");
        controller.run(stop).await?;
        Ok(Outcome::Ok)
    })
}
