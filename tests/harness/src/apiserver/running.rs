//! The two processes.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::access::Access;
use super::{Options, Places, keys};
use crate::process::Process;
use crate::programs;
use crate::raw::{RawClient, RawOutcome, Request};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who says that a token is good, and for whom it is unless it says otherwise.
const ISSUER: &str = "https://kubernetes.default.svc";

/// A server and its store. Dropped in this order, so that the server does not miss its store.
#[derive(Debug)]
pub(super) struct Running {
    server: Process,
    etcd: Process,
}

impl Running {
    /// Starts both and waits until the server is ready.
    pub(super) fn start(places: &Places, options: &Options, access: &Access) -> Result<Running> {
        let mut etcd = Process::start("etcd", etcd(places)?)?;
        etcd.wait_until(options.deadline, |_| healthy(places))?;
        let mut server = Process::start("kube-apiserver", server(places, options)?)?;
        server.wait_until(options.deadline, |_| ready(places, access))?;
        Ok(Running { server, etcd })
    }

    /// Sends both processes a signal by its name.
    pub(super) fn signal(&self, name: &str) -> Result<()> {
        // A shell has its own `kill`, so no package is needed.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$@\"", name])
            .args([self.server.id().to_string(), self.etcd.id().to_string()])
            .status()
            .context("cannot start a shell")?;
        ensure!(status.success(), "cannot send SIG{name} to the API server: has it ended?");
        Ok(())
    }

    pub(super) fn log(&self) -> String {
        self.server.log()
    }
}

fn etcd(places: &Places) -> Result<Command> {
    let [clients, peers] = [&places.etcd, &places.peers].map(|port| format!("http://{}", port.addr()));
    let mut command = Command::new(programs::assets()?.join("etcd"));
    command.args(["--name", "test", "--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.args(["--initial-cluster", &format!("test={peers}")]);
    // What is written need not survive the machine, only the process.
    command.arg("--unsafe-no-fsync").arg("--data-dir").arg(places.dir.path().join("etcd"));
    Ok(command)
}

fn server(places: &Places, options: &Options) -> Result<Command> {
    let addr = places.server.addr();
    let mut command = Command::new(programs::assets()?.join("kube-apiserver"));
    let mut option = |name: &str, value: &str| {
        command.arg(format!("--{name}={value}"));
    };
    option("etcd-servers", &format!("http://{}", places.etcd.addr()));
    option("bind-address", &addr.ip().to_string());
    option("advertise-address", &addr.ip().to_string());
    option("secure-port", &addr.port().to_string());
    option("service-cluster-ip-range", &options.services);
    option("authorization-mode", "RBAC");
    option("allow-privileged", "true");
    // It would ask for a service account for each pod, and no controller makes one.
    option("disable-admission-plugins", "ServiceAccount");
    option("service-account-issuer", ISSUER);
    option("api-audiences", ISSUER);
    let [certificate, key] = keys::SERVER;
    let [tokens_public, tokens] = keys::TOKENS;
    for (name, file) in [
        ("client-ca-file", keys::CA),
        ("tls-cert-file", certificate),
        ("tls-private-key-file", key),
        ("service-account-key-file", tokens_public),
        ("service-account-signing-key-file", tokens),
    ] {
        option(name, &places.dir.path().join(file).to_string_lossy());
    }
    command.args(&options.args);
    Ok(command)
}

fn healthy(places: &Places) -> Result<()> {
    let addr = places.etcd.addr();
    let request = Request::new("GET", "/health").header("host", "etcd").header("connection", "close");
    match RawClient::request(addr.ip(), addr, &request.to_bytes(), PATIENCE) {
        RawOutcome::Response { status: 200, .. } => Ok(()),
        other => bail!("etcd answers GET /health with {other:?}"),
    }
}

fn ready(places: &Places, access: &Access) -> Result<()> {
    // Cheap, while there is nothing to ask yet.
    TcpStream::connect_timeout(&places.server.addr(), PATIENCE).context("nothing listens yet")?;
    // The namespace is made after the server calls itself ready, and everything is put into one.
    for path in ["/readyz", "/api/v1/namespaces/default"] {
        access.kubectl_ok(&["get", "--raw", path], "")?;
    }
    Ok(())
}
