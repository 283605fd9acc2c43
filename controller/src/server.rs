//! Serves xDS, as long as this replica is the one whose word counts.
//!
//! Acknowledgements make the status of policies, and the leader writes that: so clients follow the leader. While the
//! API server is away nobody can become leader, and the last one goes on serving.

use std::net::TcpListener;
use std::sync::Arc;

use postern_controller_index::Outputs;
use postern_xds::server::{
    Authenticator, ClientIdentity, Credentials, Report, ServeError, TlsError, XdsServer, server_tls,
};
use tokio::sync::{mpsc, watch};
use tonic::Status;

use crate::auth::Authentication;
use crate::lease::Role;
use crate::tls::Material;

/// Why xDS is not served any more.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The listener.
    #[error("the xDS listener cannot be used: {0}")]
    Listener(#[from] std::io::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Everything it takes to serve.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) outputs: Outputs,
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) client_ca: Option<String>,
    pub(crate) material: watch::Receiver<Arc<Material>>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Server {
    /// Serves until it is stopped. When the certificate changes, or another replica leads, every stream is ended:
    /// clients keep what they have and connect again.
    pub(crate) async fn run(mut self) -> Result<(), ServerError> {
        while !*self.stop.borrow() {
            let material = self.material.borrow_and_update().clone();
            let ca = self.client_ca.as_ref().map(String::as_bytes);
            let tls = server_tls(material.certificate.as_bytes(), material.key.as_bytes(), ca)?;
            let gate = Gate { role: self.role.clone(), authentication: self.authentication.clone() };
            let server = XdsServer::new(self.outputs.clone(), gate, self.reports.clone());
            let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
            let (material, role, stop) = (self.material.clone(), self.role.clone(), self.stop.clone());
            server.serve(listener, tls, until_over(material, role, stop)).await?;
        }
        Ok(())
    }
}

async fn until_over(
    mut material: watch::Receiver<Arc<Material>>,
    mut role: watch::Receiver<Role>,
    mut stop: watch::Receiver<bool>,
) {
    let replaced = async {
        // A replica that never led has no streams.
        drop(role.wait_for(|role| role.incumbent).await);
        drop(role.wait_for(|role| !role.incumbent).await);
    };
    tokio::select! {
        () = replaced => {}
        _ = material.changed() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Lets clients in only where they are to be.
struct Gate {
    role: watch::Receiver<Role>,
    authentication: Arc<Authentication>,
}

impl Authenticator for Gate {
    async fn authenticate(&self, credentials: Credentials) -> Result<ClientIdentity, Status> {
        if !self.role.borrow().incumbent {
            return Err(Status::unavailable("this replica does not lead: try again, and reach another"));
        }
        self.authentication.authenticate(credentials).await
    }
}
