//! The way to the API server.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::config::{Config, InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig is no good.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is none, and this is no pod either.
    #[error("no API server: expected --kubeconfig, KUBECONFIG or a pod's service account: {0}")]
    Infer(#[from] InferConfigError),
    /// It cannot be used.
    #[error("cannot make a client of the API server: {0}")]
    Client(Box<kube::Error>),
}

/// A client of the API server that the file names, else the one of the environment.
pub(crate) async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let mut config = match kubeconfig {
        Some(path) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default())
                .await?
        }
        None => Config::infer().await?,
    };
    config.connect_timeout = Some(Duration::from_secs(10));
    Client::try_from(config).map_err(|error| ClientError::Client(Box::new(error)))
}
