//! Puts everything together.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use postern_controller_api::crd::{Webhook, WebhookServer};
use postern_controller_index as index;
use postern_ops::Health;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::admin::Admin;
use crate::auth::{Authentication, TokenFile, TokenFileError, TokenReviews};
use crate::client::{ClientError, connect};
use crate::config::{Config, NAME};
use crate::crds::{CrdError, install};
use crate::events::EventWriter;
use crate::identities::IdentityWriter;
use crate::lease::{Election, LeaseName, Role, follow};
use crate::metrics::Metrics;
use crate::publisher::Publisher;
use crate::reach::Reach;
use crate::server::{Server, ServerError};
use crate::status::StatusWriter;
use crate::tls::{CertificateError, Keeper, KeeperError, Name, Source, server_config};
use crate::watch::Watches;
use crate::webhook;
use crate::writer::Writer;

/// Events on their way to the index.
const SEEN: usize = 1024;
/// Reports of clients on their way there.
const REPORTS: usize = 1024;
/// How long the end may take.
const GRACE: Duration = Duration::from_secs(10);

/// Why the controller does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no client of the API server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {cause}")]
    Listen {
        /// What would be served there.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The reason.
        cause: std::io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The custom resources cannot be defined.
    #[error(transparent)]
    Crds(#[from] CrdError),
    /// The tokens of clients cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The CA of clients cannot be read.
    #[error("cannot read {path}: {cause}")]
    ClientCa {
        /// The file.
        path: std::path::PathBuf,
        /// The reason.
        cause: std::io::Error,
    },
    /// The webhook's URL is none that an API server takes.
    #[error("`{0}` is no webhook URL: expected https://HOST:PORT without a path")]
    WebhookUrl(String),
    /// xDS is not served any more.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A part has failed.
    #[error("a part of the controller has ended: {0}")]
    Ended(#[from] JoinError),
}

/// A controller that has its sockets and its certificate, and serves nothing yet.
pub struct Controller {
    config: Config,
    client: Client,
    keeper: Keeper,
    server: WebhookServer,
    authentication: Authentication,
    client_ca: Option<String>,
    xds: TcpListener,
    webhook: TcpListener,
    admin: Option<TcpListener>,
}

impl Controller {
    /// Listens, gets the certificate, and defines the custom resources if that was asked for.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn start(config: Config) -> Result<Self, RunError> {
        let server = webhook_server(&config)?;
        let xds = listen("xDS", config.xds)?;
        let webhook = listen("the webhook", config.webhook)?;
        let admin = config.admin.map(|address| listen("admin", address)).transpose()?;
        let client_ca = config.client_ca.as_deref().map(read).transpose()?;
        let file = config.token_file.as_deref().map(TokenFile::read).transpose()?;
        let client = connect(config.kubeconfig.as_deref()).await?;
        let keeper = Keeper::start(client.clone(), source(&config, &server)).await?;
        if config.install_crds {
            let ca_bundle = Some(keeper.material().borrow().ca.clone().into_bytes());
            install(&client, &Webhook { server: server.clone(), ca_bundle }).await?;
        }
        let authentication = Authentication {
            certificates: client_ca.is_some(),
            file,
            reviews: Some(TokenReviews::new(client.clone(), config.node_accounts.clone())),
        };
        Ok(Self { config, client, keeper, server, authentication, client_ca, xds, webhook, admin })
    }

    /// Serves until `stop`, then ends every stream and gives the Lease back. Nodes keep what they have.
    ///
    /// # Errors
    /// When a part of it fails, which none should.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self { config, client, keeper, server, authentication, client_ca, xds, webhook, admin } = self;
        let metrics = Metrics::new();
        let reach = Reach::default();
        let health = Arc::new(Health::new());
        health.set_ready(true);
        let (role, roles) = watch::channel(Role::default());
        let (stopping, stopped) = watch::channel(false);
        let (seen_in, seen) = mpsc::channel(SEEN);
        let (reports_in, reports) = mpsc::channel(REPORTS);
        let index = index::Index::new(index::Config::default());
        let outputs = index.outputs();
        let me = format!("{}_{:016x}", config.identity, RandomState::new().build_hasher().finish());
        let (events, event_writer) =
            EventWriter::new(client.clone(), config.identity.clone(), roles.clone(), metrics.events.clone());

        let mut tasks: JoinSet<Infallible> = JoinSet::new();
        let watches = Watches { queue: seen_in, reach: reach.clone(), metrics: metrics.clone() };
        crate::watch::spawn(&mut tasks, &client, &watches);
        let writer = Writer {
            index,
            seen,
            reports,
            events: events.clone(),
            metrics: metrics.clone(),
            agents: HashMap::new(),
        };
        // Compiling takes long compared to everything else here, so the index has a thread of its own. It ends with
        // the runtime.
        let runtime = tokio::runtime::Handle::current();
        let mut writing: JoinHandle<()> = {
            let mut stopped = stopped.clone();
            tokio::task::spawn_blocking(move || {
                runtime.block_on(async {
                    tokio::select! {
                        never = writer.run() => match never {},
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                });
            })
        };
        tasks.spawn(event_writer.run());
        tasks.spawn(
            StatusWriter {
                client: client.clone(),
                statuses: outputs.statuses.clone(),
                role: roles.clone(),
                events,
                metrics: metrics.status.clone(),
            }
            .run(),
        );
        tasks.spawn(
            IdentityWriter {
                client: client.clone(),
                requests: outputs.identity_requests.clone(),
                unused: outputs.unused_identities.clone(),
                grace: config.identity_grace,
                role: roles.clone(),
                metrics: metrics.identities.clone(),
            }
            .run(),
        );
        tasks.spawn(
            Publisher {
                client: client.clone(),
                namespace: config.namespace.clone(),
                server,
                material: keeper.material(),
                role: roles.clone(),
            }
            .run(),
        );
        let tls = server_config(keeper.key(), None, &["h2", "http/1.1"])?;
        let webhook = tokio::net::TcpListener::from_std(webhook).map_err(ServerError::Listener)?;
        tasks.spawn(webhook::serve(webhook, tls, metrics.conversions.clone()));
        if let Some(admin) = admin {
            let listener = tokio::net::TcpListener::from_std(admin).map_err(ServerError::Listener)?;
            let pages = Admin {
                metrics,
                outputs: outputs.clone(),
                role: roles.clone(),
                reach: reach.clone(),
                health: health.clone(),
                away: config.away,
            };
            tasks.spawn(pages.run(listener));
        }
        let server = Server {
            listener: xds,
            outputs,
            authentication: Arc::new(authentication),
            client_ca,
            material: keeper.material(),
            reports: reports_in,
            role: roles,
            stop: stopped.clone(),
        };
        tasks.spawn(keeper.run());
        let mut serving = tokio::spawn(server.run());
        let name = LeaseName { namespace: config.namespace.clone(), name: NAME.to_owned() };
        let election = Election::new(me, config.timing);
        let electing = tokio::spawn(follow(client, name, election, role, reach, stopped));

        let outcome = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = tasks.join_next() => match ended {
                Ok(never) => match never {},
                Err(error) => Err(RunError::Ended(error)),
            },
            ended = &mut serving => ended.map_err(RunError::Ended).and_then(|served| Ok(served?)),
            ended = &mut writing => ended.map_err(RunError::Ended),
        };
        if outcome.is_err() {
            health.set_dead();
        }
        health.set_ready(false);
        stopping.send_replace(true);
        let end = async {
            drop(electing.await);
            if !serving.is_finished() {
                drop(serving.await);
            }
        };
        if tokio::time::timeout(GRACE, end).await.is_err() {
            tracing::warn!("not everything ended within {GRACE:?}");
        }
        outcome
    }
}

fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|cause| RunError::Listen { what, address, cause })
}

fn read(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|cause| RunError::ClientCa { path: path.to_owned(), cause })
}

fn webhook_server(config: &Config) -> Result<WebhookServer, RunError> {
    match &config.webhook_url {
        None => match Webhook::default().server {
            WebhookServer::Service { name, port, .. } => {
                Ok(WebhookServer::Service { namespace: config.namespace.clone(), name, port })
            }
            url @ WebhookServer::Url(_) => Ok(url),
        },
        Some(url) => {
            host(url).ok_or_else(|| RunError::WebhookUrl(url.clone()))?;
            Ok(WebhookServer::Url(url.trim_end_matches('/').to_owned()))
        }
    }
}

fn host(url: &str) -> Option<Name> {
    let uri: http::Uri = url.parse().ok()?;
    let is_bare = uri.scheme_str() == Some("https") && uri.path() == "/" && uri.query().is_none();
    uri.host().filter(|_| is_bare)?.parse().ok()
}

/// Where the certificate comes from, and what the controller may be called by.
fn source(config: &Config, server: &WebhookServer) -> Source {
    if let Some(files) = config.certificate.clone() {
        return Source::Files { certificate: files.certificate, key: files.key, ca: files.ca };
    }
    let namespace = &config.namespace;
    let service = [
        NAME.to_owned(),
        format!("{NAME}.{namespace}"),
        format!("{NAME}.{namespace}.svc"),
        format!("{NAME}.{namespace}.svc.cluster.local"),
    ];
    let mut names: Vec<Name> = service.into_iter().map(Name::Dns).collect();
    if let WebhookServer::Url(url) = server {
        names.extend(host(url));
    }
    let addresses = [config.xds.ip(), config.webhook.ip()];
    names.extend(addresses.into_iter().filter(|address| !address.is_unspecified()).map(Name::Ip));
    names.extend(config.server_names.iter().cloned());
    Source::Secret { namespace: namespace.clone(), names }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_url_has_a_host_and_no_path() {
        assert_eq!(host("https://192.0.2.1:9443"), Some(Name::Ip("192.0.2.1".parse().unwrap())));
        assert_eq!(host("https://[::1]:9443/"), Some(Name::Ip("::1".parse().unwrap())));
        for bad in ["http://a:1", "https://a/convert", "a:1", "https://a?x=1", ""] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
