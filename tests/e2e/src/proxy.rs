//! A running `postern proxy`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{Process, RawClient, RawOutcome, eventually};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::postern::command;

/// Compiling the filter takes seconds, in a debug build on a busy machine more.
const START: Duration = Duration::from_secs(60);
/// How long anything else may take.
pub const SOON: Duration = Duration::from_secs(20);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A `postern proxy` that is up, with one worker and an admin listener. Dropping it ends the process.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Proxy {
    /// Starts one with these arguments besides, and waits until clients can connect.
    pub fn start(listen: SocketAddr, upstream: SocketAddr, further: &[&str]) -> Result<Proxy> {
        let (listen, upstream) = (listen.to_string(), upstream.to_string());
        let args = [
            "proxy",
            "--listen",
            &listen,
            "--upstream",
            &upstream,
            "--admin",
            "127.0.0.1:0",
            "--workers",
            "1",
        ];
        let mut process = Process::start("postern proxy", command(args.iter().chain(further))?)?;
        let mut address = |message: &str, field: &str| -> Result<SocketAddr> {
            let line = process.wait_for_log(message, START)?;
            let event: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
            let text =
                event.get(field).and_then(Value::as_str).with_context(|| format!("no {field}: {line}"))?;
            Ok(text.parse()?)
        };
        let listen = address("the proxy is up", "listen")?;
        let admin = address("metrics, health and configuration status", "admin")?;
        Ok(Proxy { process, listen, admin })
    }

    /// The same, and waits until policy is loaded.
    pub fn start_loaded(listen: SocketAddr, upstream: SocketAddr, further: &[&str]) -> Result<Proxy> {
        let proxy = Self::start(listen, upstream, further)?;
        proxy.wait_for_config("policy is loaded", |worker| worker.loaded)?;
        Ok(proxy)
    }

    /// Where clients connect.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until a line of its log contains `text`.
    pub fn wait_for_log(&mut self, text: &str) -> Result<String> {
        self.process.wait_for_log(text, SOON)
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id]).status();
        ensure!(status.context("cannot run sh")?.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        self.process.wait_for_exit(SOON)
    }

    /// What the admin listener answers.
    #[must_use]
    pub fn admin(&self, method: &str, path: &str) -> RawOutcome {
        let request = Request::new(method, path).header("host", "admin").header("connection", "close");
        RawClient::request(LOCALHOST, self.admin, &request.to_bytes(), SOON)
    }

    /// What the one worker did with its configurations.
    pub fn config(&self) -> Result<Config> {
        let RawOutcome::Response { status: 200, body, .. } = self.admin("GET", "/config") else {
            bail!("no /config: {:?}", self.admin("GET", "/config"));
        };
        let all: Value = serde_json::from_slice(&body).context("/config is not JSON")?;
        let worker = all.pointer("/filter/workers/0").with_context(|| format!("no worker: {all}"))?;
        let count = |name| worker.get(name).and_then(Value::as_u64).with_context(|| format!("{name}: {all}"));
        Ok(Config {
            answered: count("answered")?,
            accepted: count("accepted")?,
            loaded: worker.get("loaded") == Some(&Value::Bool(true)),
            digest: worker.get("digest").and_then(Value::as_str).map(ToOwned::to_owned),
            refusal: worker.get("refusal").and_then(Value::as_str).map(ToOwned::to_owned),
        })
    }

    /// Waits until `/config` satisfies a condition.
    pub fn wait_for_config(&self, what: &str, condition: impl Fn(&Config) -> bool) -> Result<Config> {
        eventually(SOON, || {
            let config = self.config()?;
            ensure!(condition(&config), "not yet: {what}: {config:?}");
            Ok(config)
        })
    }

    /// Has it load its changed file now, and waits until this bundle is in force.
    pub fn reload(&self, bundle: &str) -> Result<()> {
        let digest: String = Sha256::digest(bundle).iter().map(|byte| format!("{byte:02x}")).collect();
        self.signal("HUP")?;
        self.wait_for_config("the bundle is loaded", |config| config.digest.as_ref() == Some(&digest))?;
        Ok(())
    }
}

/// A worker's part of `/config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many configurations it answered.
    pub answered: u64,
    /// How many it accepted.
    pub accepted: u64,
    /// Whether it has a policy.
    pub loaded: bool,
    /// The SHA-256 of the one in use.
    pub digest: Option<String>,
    /// Why it did not take the latest.
    pub refusal: Option<String>,
}

/// Replaces a file in one step, so that nobody reads half of it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).with_context(|| format!("{}", path.display()))
}
