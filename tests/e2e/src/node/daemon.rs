//! One of the node's processes, with an admin listener in the node's namespace.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use postern_tests_harness::raw::Request;
use postern_tests_harness::{Process, RawClient, RawOutcome};
use serde_json::Value;

use super::Place;
use crate::proxy::SOON;

/// Compiling the filter takes seconds, in a debug build on a busy machine more.
const START: Duration = Duration::from_secs(180);

/// `postern node` or `postern proxy --transparent`. Dropping it is `kill -9`.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    admin: SocketAddr,
    place: Place,
}

impl Daemon {
    /// Starts it and waits until its admin listener is there, which a line of its log tells.
    pub(super) fn start(name: &str, command: Command, place: Place, ready: &str) -> Result<Daemon> {
        let mut process = Process::start(name, command)?;
        let line = process.wait_for_log(ready, START)?;
        let event: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        let admin =
            event.get("admin").and_then(Value::as_str).with_context(|| format!("no admin: {line}"))?;
        Ok(Daemon { process, admin: admin.parse()?, place })
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The lines of the log that have `text`.
    #[must_use]
    pub fn lines(&self, text: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(text)).map(ToOwned::to_owned).collect()
    }

    /// Waits until a line of its log contains `text`.
    pub fn wait_for_log(&mut self, text: &str) -> Result<String> {
        self.process.wait_for_log(text, SOON)
    }

    /// Has it look at its files now.
    pub fn hang_up(&self) -> Result<()> {
        self.signal("HUP")
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) -> Result<()> {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &id]).status();
        ensure!(status.context("cannot run sh")?.success(), "cannot send SIG{name}");
        Ok(())
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub fn wait_for_exit(&mut self) -> Result<Option<i32>> {
        Ok(self.process.wait_for_exit(SOON)?.code())
    }

    /// What the admin listener answers to `GET path`.
    pub fn admin(&self, path: &str) -> Result<RawOutcome> {
        let request =
            Request::new("GET", path).header("host", "admin").header("connection", "close").to_bytes();
        let admin = self.admin;
        self.place.run(move || RawClient::request(IpAddr::V4(Ipv4Addr::LOCALHOST), admin, &request, SOON))
    }

    /// The same as JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        match self.admin(path)? {
            RawOutcome::Response { status: 200, body, .. } => Ok(serde_json::from_slice(&body)?),
            other => bail!("no {path}: {other:?}"),
        }
    }
}
