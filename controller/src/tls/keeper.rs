//! Gets the certificate at start and renews it while the controller runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::authority::{AuthorityError, Name};
use super::resolver::{CertificateError, certified_key};
use super::secret::{Kept, SECRET, SecretError};
use super::{FilesError, Material, files};

/// How often the certificate is looked at: far more often than it must be replaced.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How often a write is tried when other replicas write as well.
const ATTEMPTS: usize = 5;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The API server refused, or is away.
    #[error("the API server does not take the secret {SECRET}: {0}")]
    Api(Box<kube::Error>),
    /// It cannot be made.
    #[error(transparent)]
    Make(#[from] AuthorityError),
    /// What the Secret holds is no good.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What the files hold is no good.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// It cannot be served.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Other replicas write all the time.
    #[error("the secret {SECRET} was written by somebody else {ATTEMPTS} times in a row")]
    Contended,
}

impl From<kube::Error> for KeeperError {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Files that somebody else renews.
    Files {
        /// The certificate and what is between it and the CA.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// The CA that clients are to trust.
        ca: PathBuf,
    },
    /// A Secret of this namespace, made and renewed by the controller.
    Secret {
        /// The namespace.
        namespace: String,
        /// What the controller is called by.
        names: Vec<Name>,
    },
}

/// Keeps the certificate.
pub struct Keeper {
    client: Client,
    source: Source,
    material: watch::Sender<Arc<Material>>,
    key: watch::Sender<Arc<CertifiedKey>>,
}

impl Keeper {
    /// Gets the certificate, or makes it.
    ///
    /// # Errors
    /// When there is none, and none can be made.
    pub async fn start(client: Client, source: Source) -> Result<Self, KeeperError> {
        let material = obtain(&client, &source, SystemTime::now()).await?;
        let key = watch::Sender::new(Arc::new(certified_key(&material)?));
        Ok(Self { client, source, material: watch::Sender::new(Arc::new(material)), key })
    }

    /// The certificate as it is at any time.
    #[must_use]
    pub fn material(&self) -> watch::Receiver<Arc<Material>> {
        self.material.subscribe()
    }

    /// The same, ready to serve.
    #[must_use]
    pub fn key(&self) -> watch::Receiver<Arc<CertifiedKey>> {
        self.key.subscribe()
    }

    /// Renews it, and follows what others renew. Ends never; a failure leaves the present certificate in place.
    pub async fn run(self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match obtain(&self.client, &self.source, SystemTime::now()).await {
                Ok(material) if material == **self.material.borrow() => {}
                Ok(material) => match certified_key(&material) {
                    Ok(key) => {
                        tracing::info!("the certificate was renewed");
                        self.key.send_replace(Arc::new(key));
                        self.material.send_replace(Arc::new(material));
                    }
                    Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
                },
                Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
            }
        }
    }
}

async fn obtain(client: &Client, source: &Source, now: SystemTime) -> Result<Material, KeeperError> {
    match source {
        Source::Files { certificate, key, ca } => Ok(files::read(certificate, key, ca)?),
        Source::Secret { namespace, names } => from_secret(client, namespace, names, now).await,
    }
}

async fn from_secret(
    client: &Client,
    namespace: &str,
    names: &[Name],
    now: SystemTime,
) -> Result<Material, KeeperError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let parameters = PostParams::default();
    for _ in 0..ATTEMPTS {
        let (kept, written) = match api.get_opt(SECRET).await? {
            None => {
                let kept = Kept::new(names, now)?;
                let written = api.create(&parameters, &kept.write(namespace, None)).await;
                (kept, written)
            }
            Some(found) => {
                let kept = Kept::read(&found)?;
                let Some(next) = kept.renewed(names, now)? else { return Ok(kept.material()) };
                let written = api.replace(SECRET, &parameters, &next.write(namespace, Some(found))).await;
                (next, written)
            }
        };
        match written {
            Ok(_) => return Ok(kept.material()),
            // Another replica was faster: what it wrote is as good.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(KeeperError::Contended)
}
