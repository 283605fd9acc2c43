//! `postern controller`, on the machine itself, beside the API server.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::programs;
use postern_tests_harness::raw::{RawClient, Request};

use super::{CONTROLLER_ADMIN_PORT, NAMESPACE, WEBHOOK_PORT, XDS_PORT};
use crate::daemon::{Daemon, Home};

const DEADLINE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts it and waits until it serves.
pub(crate) fn start(home: &Home, address: IpAddr, kubeconfig: PathBuf) -> Result<Daemon> {
    let mut daemon = Daemon::start("controller", home, move || command(address, &kubeconfig))?;
    daemon.wait_until(DEADLINE, || ready(address))?;
    Ok(daemon)
}

fn command(address: IpAddr, kubeconfig: &std::path::Path) -> Result<Command> {
    let at = |port| SocketAddr::new(address, port).to_string();
    let mut command = Command::new(programs::postern()?);
    command.arg("controller").arg("--kubeconfig").arg(kubeconfig);
    command.args(["--namespace", NAMESPACE, "--xds", &at(XDS_PORT), "--webhook", &at(WEBHOOK_PORT)]);
    command.args(["--webhook-url", &format!("https://{}", at(WEBHOOK_PORT))]);
    command.args(["--server-name", &address.to_string(), "--admin", &at(CONTROLLER_ADMIN_PORT)]);
    command.arg("--install-crds");
    Ok(command)
}

/// Whether it says that it is ready, and the nodes' port is open.
pub(crate) fn ready(address: IpAddr) -> Result<()> {
    let admin = SocketAddr::new(address, CONTROLLER_ADMIN_PORT);
    let request = Request::new("GET", "/readyz").header("host", "admin").header("connection", "close");
    let outcome = RawClient::request(address, admin, &request.to_bytes(), PATIENCE);
    ensure!(outcome.status() == Some(200), "the controller answers GET /readyz with {outcome:?}");
    let xds = SocketAddr::new(address, XDS_PORT);
    TcpStream::connect_timeout(&xds, PATIENCE).with_context(|| format!("nothing listens on {xds}"))?;
    Ok(())
}
