//! A real Envoy, on a configuration of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::process::{Process, tail};
use crate::raw::{RawClient, RawOutcome, Request};
use crate::{programs, wait};

/// Merged over the test's bootstrap: every Envoy has an admin listener, on a port that the kernel picks
/// and Envoy writes to a file, so that two Envoys never ask for the same one.
const ADMIN: &str = r#"{"admin":{"address":{"socket_address":{"address":"127.0.0.1","port_value":0}}}}"#;
const ADMIN_DEADLINE: Duration = Duration::from_secs(10);

/// How an Envoy is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long Envoy may take until it serves. Compiling a wasm module counts.
    pub deadline: Duration,
    /// Envoy's log level: `trace` to `critical`.
    pub log_level: String,
    /// Worker threads.
    pub concurrency: u32,
    /// Further arguments for the command line.
    pub args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            deadline: Duration::from_secs(60),
            log_level: "info".to_owned(),
            concurrency: 1,
            args: Vec::new(),
        }
    }
}

/// A running Envoy that has said it is live. Dropping it ends the process and removes its files.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
}

impl Envoy {
    /// Starts Envoy on a bootstrap in JSON or YAML and waits until it is live. An `admin` block of the
    /// bootstrap is replaced. Listeners may ask for port 0: [`Envoy::listener`] tells which they got.
    pub fn start(config: &str, options: &Options) -> Result<Envoy> {
        let dir = tempfile::tempdir().context("cannot make a folder for Envoy")?;
        let (mut command, admin_file) = (command(config, dir.path())?, dir.path().join("admin"));
        command
            .args(["--config-yaml", ADMIN, "--admin-address-path"])
            .arg(&admin_file)
            .args(["--concurrency", &options.concurrency.to_string(), "--log-level", &options.log_level])
            .args(&options.args);
        let mut process = Process::start_in("Envoy", command, dir)?;
        let admin = process.wait_until(options.deadline, |_| {
            let admin = read_address(&admin_file)?;
            let ready = get(admin, "/ready")?;
            ensure!(ready.trim() == "LIVE", "/ready says {ready:?}");
            Ok(admin)
        })?;
        Ok(Envoy { process, admin })
    }

    /// Whether Envoy accepts the bootstrap, without starting it; the error is what Envoy printed.
    /// Envoy runs a filter's configuration call here too.
    pub fn validate(config: &str) -> Result<(), String> {
        let run = || -> Result<std::process::Output> {
            let dir = tempfile::tempdir().context("cannot make a folder for Envoy")?;
            command(config, dir.path())?.args(["--mode", "validate"]).output().context("cannot run Envoy")
        };
        let output = run().map_err(|error| format!("{error:#}"))?;
        if output.status.success() {
            return Ok(());
        }
        let printed = [output.stdout, output.stderr].concat();
        Err(format!("{}\n{}", output.status, tail(&String::from_utf8_lossy(&printed))))
    }

    /// Everything Envoy has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until a line of the log contains `text`, and gives that line.
    pub fn wait_for_log(&mut self, text: &str, deadline: Duration) -> Result<String> {
        self.process.wait_for_log(text, deadline)
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The body of `GET path` on the admin interface.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        get(self.admin, path)
    }

    /// The address that the listener of this name got.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        let text = self.admin_get("/listeners?format=json")?;
        let all: Value = serde_json::from_str(&text).context("/listeners is not JSON")?;
        let listeners = all.get("listener_statuses").and_then(Value::as_array);
        let found = listeners
            .into_iter()
            .flatten()
            .find(|listener| listener.get("name").and_then(Value::as_str) == Some(name))
            .with_context(|| format!("Envoy has no listener named '{name}': {text}"))?;
        let field = |key| found.pointer(&format!("/local_address/socket_address/{key}"));
        let ip = field("address").and_then(Value::as_str).context("a listener without an address")?;
        let port = field("port_value").and_then(Value::as_u64).context("a listener without a port")?;
        Ok(SocketAddr::new(ip.parse()?, u16::try_from(port)?))
    }

    /// The counters and gauges whose names start with `prefix`.
    pub fn stats(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let text = self.admin_get("/stats")?;
        let numbers = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            // Histograms and text values share this page; they are not numbers.
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(numbers.filter(|(name, _)| name.starts_with(prefix)).collect())
    }

    /// Waits until the counter or gauge `name` has reached `at_least`, and gives its value.
    pub fn wait_for_stat(&self, name: &str, at_least: u64, deadline: Duration) -> Result<u64> {
        wait::eventually(deadline, || {
            let value = self.stats(name)?.get(name).copied().unwrap_or_default();
            ensure!(value >= at_least, "{name} is {value}, not yet {at_least}");
            Ok(value)
        })
    }
}

/// Envoy on the given bootstrap, written to `dir`. Hot restart is what would make two Envoys of one
/// machine share a base id; without it they share nothing.
fn command(config: &str, dir: &Path) -> Result<Command> {
    let name = if config.trim_start().starts_with('{') { "envoy.json" } else { "envoy.yaml" };
    let path = dir.join(name);
    fs::write(&path, config).context("cannot write Envoy's configuration")?;
    let mut command = Command::new(programs::envoy()?);
    command.arg("--disable-hot-restart").arg("--config-path").arg(path);
    Ok(command)
}

fn read_address(file: &Path) -> Result<SocketAddr> {
    let text = fs::read_to_string(file).context("the admin listener has no address yet")?;
    text.trim().parse().with_context(|| format!("the admin address is {text:?}"))
}

fn get(admin: SocketAddr, path: &str) -> Result<String> {
    let request = Request::new("GET", path).header("host", "admin").header("connection", "close");
    let localhost = Ipv4Addr::LOCALHOST.into();
    match RawClient::request(localhost, admin, &request.to_bytes(), ADMIN_DEADLINE) {
        RawOutcome::Response { status: 200, body, .. } => Ok(String::from_utf8_lossy(&body).into_owned()),
        other => bail!("the admin interface answers GET {path} with {other:?}"),
    }
}
