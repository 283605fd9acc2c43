//! The node's processes: app1, the agent, the proxy.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::namespaces::Namespaces;
use crate::demo::client::Answer;

const NODE_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9902);
const PROXY_ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
const DEADLINE: Duration = Duration::from_secs(30);

/// The processes, and the folder with their files. All of it ends with the value.
pub(super) struct Node<'n> {
    namespaces: &'n Namespaces,
    folder: PathBuf,
    bpffs: PathBuf,
    children: Vec<Child>,
}

impl<'n> Node<'n> {
    /// Starts them and waits until they have taken the bundle.
    pub(super) fn start(namespaces: &'n Namespaces, bundle: &[u8]) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(namespaces.name());
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let bpffs = Path::new("/sys/fs/bpf").join(namespaces.name());
        let mut node = Self { namespaces, folder, bpffs, children: Vec::new() };
        node.write(bundle)?;
        let (bundle, flows) = (node.file("bundle.json"), node.file("flows.json"));
        node.spawn(&namespaces.pod("app1"), "app1", |command| {
            command.args(["demo", "--inside-serve", "80", "8080"]);
        })?;
        let bpffs = node.bpffs.clone();
        node.spawn(&namespaces.node(), "node", |command| {
            command.args(["node", "--log", "warn", "--admin", &NODE_ADMIN.to_string()]);
            command.arg("--bundle").arg(&bundle).arg("--flows").arg(&flows).arg("--bpffs").arg(&bpffs);
        })?;
        node.spawn(&namespaces.node(), "proxy", |command| {
            command.args(["proxy", "--transparent", "--log", "warn", "--admin", &PROXY_ADMIN.to_string()]);
            command.arg("--bundle").arg(&bundle).arg("--bpffs").arg(&bpffs);
        })?;
        let is_up = |status: &Value| {
            let problems = status.get("problems").and_then(Value::as_array);
            status.get("applied") == Some(&Value::Bool(true)) && problems.is_some_and(Vec::is_empty)
        };
        node.wait(is_up, 1)?;
        Ok(node)
    }

    /// Has the agent and the proxy load another bundle, and waits until both have.
    pub(super) fn load(&self, bundle: &[u8]) -> anyhow::Result<()> {
        self.write(bundle)?;
        for child in self.children.iter().skip(1) {
            let sent = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
            sent.context("cannot run kill")?;
        }
        let has_entries = |endpoint: &Value| endpoint.get("entries").and_then(Value::as_u64) > Some(0);
        let enforces = |status: &Value| {
            let endpoints = status.get("endpoints").and_then(Value::as_array);
            endpoints.is_some_and(|all| all.iter().any(has_entries))
        };
        self.wait(enforces, 2)
    }

    /// What the kernel dropped of the story, each thing once.
    pub(super) fn drops(&self) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.file("flows.json")).context("the node wrote no flows")?;
        let mut lines: Vec<String> = Vec::new();
        for flow in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let field = |name: &str| flow.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            // What systems do of themselves, such as announcing their addresses, is no part of it.
            if field("protocol") != "TCP" || field("verdict") != "dropped" {
                continue;
            }
            let source = field("source");
            let from = source.rsplit_once(':').map_or(source.as_str(), |(address, _)| address);
            let line = format!(
                "  {} dropped: TCP {from} → {} at {} ({})\n",
                field("direction"),
                field("destination"),
                field("endpoint"),
                field("reason"),
            );
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        Ok(lines.concat())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// By renaming, so that nobody reads half of it.
    fn write(&self, bundle: &[u8]) -> anyhow::Result<()> {
        fs::write(self.file("bundle.new"), bundle)?;
        Ok(fs::rename(self.file("bundle.new"), self.file("bundle.json"))?)
    }

    fn spawn(
        &mut self,
        namespace: &str,
        log: &str,
        arguments: impl FnOnce(&mut Command),
    ) -> anyhow::Result<()> {
        let mut command = self.namespaces.postern(namespace)?;
        arguments(&mut command);
        let log = fs::File::create(self.file(&format!("{log}.log")))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.children.push(command.spawn().context("cannot run nsenter: it is in the package util-linux")?);
        Ok(())
    }

    fn wait(&self, node: impl Fn(&Value) -> bool, accepted: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            let config = self.ask(PROXY_ADMIN, "/config");
            let workers = config.pointer("/filter/workers").and_then(Value::as_array);
            let took = |worker: &Value| worker.get("accepted").and_then(Value::as_u64) >= Some(accepted);
            let proxy = workers.is_some_and(|all| !all.is_empty() && all.iter().all(took));
            if proxy && node(&self.ask(NODE_ADMIN, "/status")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = |name: &str| fs::read_to_string(self.file(name)).unwrap_or_default();
        bail!(
            "the node did not take the policy in {} s\n{}{}",
            DEADLINE.as_secs(),
            log("node.log"),
            log("proxy.log")
        )
    }

    /// What an admin listener says; nothing, as long as it does not.
    fn ask(&self, admin: SocketAddr, path: &str) -> Value {
        match self.namespaces.get(&self.namespaces.node(), admin, path) {
            Ok(Answer::Response { status: 200, body }) => serde_json::from_str(&body).unwrap_or_default(),
            _ => Value::Null,
        }
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
        if let Ok(mut cleanup) = self.namespaces.postern(&self.namespaces.node()) {
            drop(
                cleanup.args(["node", "cleanup", "--bpffs"]).arg(&self.bpffs).stdout(Stdio::null()).status(),
            );
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}
