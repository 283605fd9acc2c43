//! A real API server: etcd and kube-apiserver as processes, with certificates of their own.
//!
//! There are no controllers beside it, as in Go's envtest: nothing collects garbage, makes the service
//! account `default` of a namespace, or gives a service its endpoints.

mod access;
mod keys;
mod running;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::ports::Reserved;
use access::Access;
pub use keys::Identity;
use keys::Keys;
use running::Running;

/// How an API server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address it listens on, which this machine must have. It is in the server's certificate.
    pub bind: IpAddr,
    /// Further names and addresses for the server's certificate.
    pub names: Vec<String>,
    /// What services get their addresses from.
    pub services: String,
    /// How long it may take until it answers.
    pub deadline: Duration,
    /// Further arguments for the server's command line.
    pub args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: Ipv4Addr::LOCALHOST.into(),
            names: Vec::new(),
            services: "10.96.0.0/16".to_owned(),
            deadline: Duration::from_secs(120),
            args: Vec::new(),
        }
    }
}

/// A running API server that is ready. Dropping it ends both processes and removes their files.
#[derive(Debug)]
pub struct ApiServer {
    // The first field is dropped first: the processes end before their folder is removed.
    running: Option<Running>,
    options: Options,
    keys: Keys,
    access: Access,
    places: Places,
}

/// What stays the same when the server is started again.
#[derive(Debug)]
struct Places {
    dir: TempDir,
    server: Reserved,
    etcd: Reserved,
    /// etcd opens it for other members, even where there are none.
    peers: Reserved,
}

impl ApiServer {
    /// Starts a server on loopback and waits until it is ready.
    pub fn start() -> Result<ApiServer> {
        Self::start_with(&Options::default())
    }

    /// The same with options.
    pub fn start_with(options: &Options) -> Result<ApiServer> {
        let local = Ipv4Addr::LOCALHOST.into();
        let places = Places {
            dir: tempfile::tempdir().context("cannot make a folder for the API server")?,
            server: Reserved::on(options.bind)?,
            etcd: Reserved::on(local)?,
            peers: Reserved::on(local)?,
        };
        let keys = Keys::make(places.dir.path(), options)?;
        let access = Access::make(places.dir.path(), places.server.addr())?;
        let mut server = ApiServer { running: None, options: options.clone(), keys, access, places };
        server.restart()?;
        Ok(server)
    }

    /// Kills both processes, if they run, and starts them again on the same data and ports.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.running = Some(Running::start(&self.places, &self.options, &self.access)?);
        Ok(())
    }

    /// Kills both processes: from now on connections are refused, until [`ApiServer::restart`].
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Stops both processes in their tracks: connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.running().and_then(|running| running.signal("STOP"))
    }

    /// Lets both processes go on.
    pub fn resume(&self) -> Result<()> {
        self.running().and_then(|running| running.signal("CONT"))
    }

    /// What the server has printed since its last start.
    pub fn log(&self) -> Result<String> {
        self.running().map(Running::log)
    }

    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the API server was stopped")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.places.server.addr()
    }

    /// Where it listens, for clients.
    pub fn url(&self) -> &str {
        self.access.url()
    }

    /// The certificate of the authority that has signed the server's.
    pub fn ca_pem(&self) -> &str {
        self.keys.ca_pem()
    }

    /// A client certificate that may do everything.
    pub fn admin(&self) -> &Identity {
        self.keys.admin()
    }

    /// A kubeconfig for [`ApiServer::admin`]; it names files that are gone when this value is dropped.
    pub fn kubeconfig(&self) -> &Path {
        self.access.kubeconfig()
    }
}
