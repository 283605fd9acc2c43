//! The daemons of one node: the agent and the proxy, in the node's namespace.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use postern_tests_harness::apiserver::ApiServer;
use postern_tests_harness::programs;
use serde_json::Value;

use super::{NODE_ADMIN, PROXY_ADMIN, XDS_PORT, access, engine};
use crate::daemon::{Daemon, Home, read_log};
use crate::net::{LINK, NodeNet};
use crate::options::Engine;
use crate::tool;
use crate::traces;

/// Where a node's daemons are, and what they are given.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) node: String,
    /// The network namespace.
    pub(crate) namespace: String,
    /// Of the controller.
    pub(crate) controller: String,
    pub(crate) authority: PathBuf,
    pub(crate) token: PathBuf,
    pub(crate) pins: PathBuf,
    pub(crate) flows: PathBuf,
}

impl Seat {
    /// A command in the node's namespace.
    pub(crate) fn command(&self, program: &Path) -> Command {
        crate::net::command_in(&self.namespace, program)
    }

    /// What agent and proxy are both told.
    pub(crate) fn common_args(&self, command: &mut Command) {
        command.args(["--node", &self.node, "--controller", &self.controller]);
        command
            .arg("--ca")
            .arg(&self.authority)
            .arg("--token")
            .arg(&self.token)
            .arg("--bpffs")
            .arg(&self.pins);
    }
}

/// A node of a running box.
#[derive(Debug)]
pub struct Node {
    seat: Seat,
    agent: Option<Daemon>,
    proxy: Option<Daemon>,
    engine: Engine,
}

impl Node {
    /// A node without daemons.
    pub(crate) fn new(net: &NodeNet, home: &Home, controller: IpAddr, authority: &Path) -> Node {
        let node = net.name();
        let folder = &home.folder;
        let seat = Seat {
            namespace: net.namespace().name().to_owned(),
            controller: format!("https://{}", SocketAddr::new(controller, XDS_PORT)),
            authority: authority.to_owned(),
            token: folder.join(format!("{node}.token")),
            pins: traces::pin_folder(net.run(), &node),
            flows: folder.logs().join(format!("{node}.flows")),
            node,
        };
        Node { seat, agent: None, proxy: None, engine: Engine::Bundled }
    }

    /// Starts the daemons.
    pub(crate) fn start(&mut self, server: &ApiServer, home: &Home, engine: Engine) -> Result<()> {
        access::node_token(server, &self.seat.node, &self.seat.token)?;
        let seat = self.seat.clone();
        let agent = Daemon::start(&format!("{}.agent", seat.node), home, move || agent(&seat))?;
        self.agent = Some(agent);
        let seat = self.seat.clone();
        let proxy =
            Daemon::start(&format!("{}.proxy", seat.node), home, move || engine::command(engine, &seat))?;
        self.proxy = Some(proxy);
        self.engine = engine;
        Ok(())
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seat.node
    }

    /// `postern node`.
    pub fn agent(&mut self) -> Result<&mut Daemon> {
        self.agent.as_mut().context("this box was made without daemons")
    }

    /// The proxy.
    pub fn proxy(&mut self) -> Result<&mut Daemon> {
        self.proxy.as_mut().context("this box was made without daemons")
    }

    /// The folder with the node's pinned BPF objects.
    #[must_use]
    pub fn pins(&self) -> &Path {
        &self.seat.pins
    }

    /// A command in the node's namespace.
    pub fn command(&self, program: &str) -> Command {
        self.seat.command(Path::new(program))
    }

    /// The flow events that the agent has written so far, one JSON value for each line.
    pub fn flows(&self) -> Result<Vec<Value>> {
        let text = read_log(&self.seat.flows);
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parsed =
            whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("flow {line:?}")));
        parsed.collect()
    }

    /// The body of `GET path` on the agent's admin address.
    pub fn agent_get(&self, path: &str) -> Result<String> {
        get(&self.seat, NODE_ADMIN, path)
    }

    /// The body of `GET path` on the proxy's admin address.
    pub fn proxy_get(&self, path: &str) -> Result<String> {
        get(&self.seat, PROXY_ADMIN, path)
    }

    /// Waits until agent and proxy say that they are ready, as after one was started again.
    pub fn wait_until_ready(&mut self, deadline: Duration) -> Result<()> {
        let Node { seat, agent, proxy, engine } = self;
        let asked = [(agent, NODE_ADMIN, "/readyz"), (proxy, PROXY_ADMIN, engine::readiness(*engine))];
        for (daemon, admin, path) in asked {
            let daemon = daemon.as_mut().context("this box was made without daemons")?;
            daemon.wait_until(deadline, || get(seat, admin, path))?;
        }
        Ok(())
    }
}

/// In the node's namespace, where the admin addresses are.
fn get(seat: &Seat, admin: &str, path: &str) -> Result<String> {
    let mut command = seat.command(Path::new("curl"));
    command.args(["--silent", "--show-error", "--fail", "--max-time", "5"]);
    tool::run(command.arg(format!("http://{admin}{path}")), "")
}

fn agent(seat: &Seat) -> Result<Command> {
    let mut command = seat.command(&programs::postern()?);
    command.arg("node");
    seat.common_args(&mut command);
    command.args(["--uplink", LINK, "--admin", NODE_ADMIN]).arg("--flows").arg(&seat.flows);
    Ok(command)
}
