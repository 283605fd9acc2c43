//! The node under test.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use postern_tests_cluster::RunId;
use postern_tests_cluster::net::{Network, NodeNet, PodNet};
use postern_tests_cluster::subnets::Dual;
use postern_tests_harness::raw::Request;
use postern_tests_harness::{RawClient, RawOutcome, Upstream, eventually, programs};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::bundle::{Policy, edited};
use super::{Daemon, Flow, Place};
use crate::postern::Ran;
use crate::proxy::{SOON, write};

/// After this, what has not come does not come: one SYN and one more were lost.
const NOTHING: Duration = Duration::from_millis(1500);

/// A pod of the node.
#[derive(Debug)]
pub struct Pod {
    net: PodNet,
    place: Place,
}

impl Pod {
    /// Where its sockets are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its network.
    #[must_use]
    pub fn net(&self) -> &PodNet {
        &self.net
    }

    /// Both of its addresses.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        self.net.address().both()
    }

    /// Its address of the family of another.
    #[must_use]
    pub fn address_like(&self, other: IpAddr) -> IpAddr {
        let Dual { v4, v6 } = self.net.address();
        if other.is_ipv4() { v4.into() } else { v6.into() }
    }

    /// An HTTP server on a port of all of its addresses.
    pub fn serve(&self, port: u16) -> Result<Upstream> {
        serve(&self.place, port)
    }

    /// Sends bytes from its own address and reads one response.
    pub fn send(&self, to: SocketAddr, bytes: Vec<u8>, deadline: Duration) -> Result<RawOutcome> {
        let from = self.address_like(to.ip());
        self.place.run(move || RawClient::request(from, to, &bytes, deadline))
    }

    /// `GET path`, which somebody answers.
    pub fn get(&self, to: SocketAddr, path: &str) -> Result<RawOutcome> {
        self.send(to, get(path), SOON)
    }

    /// `GET path`, which nobody answers.
    pub fn get_nothing(&self, to: SocketAddr, path: &str) -> Result<RawOutcome> {
        self.send(to, get(path), NOTHING)
    }
}

/// The bytes of a GET on a connection of its own.
fn get(path: &str) -> Vec<u8> {
    Request::new("GET", path).header("host", "app1").header("connection", "close").to_bytes()
}

fn serve(place: &Place, port: u16) -> Result<Upstream> {
    place.run(move || Upstream::start((Ipv6Addr::UNSPECIFIED, port).into()))?
}

/// A node with app1, app2 and app3, and what is outside of it. All of it is gone when the value is dropped.
#[derive(Debug)]
pub struct World {
    /// The agent, while it runs.
    pub agent: Option<Daemon>,
    /// The proxy, while it runs.
    pub proxy: Option<Daemon>,
    pods: Vec<Pod>,
    node: Place,
    outside: Place,
    bpffs: PathBuf,
    folder: TempDir,
    net: Network,
}

impl World {
    /// The namespaces alone.
    pub fn bare() -> Result<World> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bpffs = format!("/sys/fs/bpf/postern-e2e-{}-{number}", std::process::id()).into();
        let net = Network::create(RunId::random(), 1)?;
        let (node, outside) = (Place::of(net.node(1)?.namespace())?, Place::of(net.fabric().namespace())?);
        let Dual { v4, v6 } = net.subnets().pod(2, 1);
        net.fabric()
            .namespace()
            .ip([format!("address add {v4}/32 dev lo"), format!("address add {v6}/128 dev lo nodad")])?;
        let folder = tempfile::tempdir().context("cannot make a folder for a node")?;
        let mut world =
            World { agent: None, proxy: None, pods: Vec::new(), node, outside, bpffs, folder, net };
        for number in 1..=3 {
            let pod = world.new_pod(number)?;
            world.pods.push(pod);
        }
        Ok(world)
    }

    /// With the agent and the proxy, both of which have taken the policy.
    pub fn start(policy: Policy<'_>) -> Result<World> {
        let mut world = World::bare()?;
        let bundle = world.compile(policy)?;
        write(&world.bundle(), &bundle)?;
        world.start_agent()?;
        world.start_proxy()?;
        Ok(world)
    }

    /// Starts the agent and waits until it has taken the bundle.
    pub fn start_agent(&mut self) -> Result<()> {
        let command = self.agent_command(&self.bpffs)?;
        let mut agent =
            Daemon::start("postern node", command, self.node.clone(), "metrics, health and status")?;
        agent.wait_for_log(ENFORCED)?;
        self.agent = Some(agent);
        Ok(())
    }

    /// What starts an agent on a folder of bpffs.
    pub fn agent_command(&self, bpffs: &Path) -> Result<Command> {
        let mut command = self.postern()?;
        command.args(["node", "--admin", "127.0.0.1:0", "--bpffs"]).arg(bpffs);
        command.arg("--bundle").arg(self.bundle()).arg("--flows").arg(self.flow_file());
        Ok(command)
    }

    /// Starts the proxy and waits until it has the policy and the node has its listeners.
    pub fn start_proxy(&mut self) -> Result<()> {
        let mut command = self.postern()?;
        command.args(["proxy", "--transparent", "--workers", "1", "--admin", "127.0.0.1:0", "--bpffs"]);
        command.arg(&self.bpffs).arg("--bundle").arg(self.bundle());
        let ready = "metrics, health and configuration status";
        let mut proxy = Daemon::start("postern proxy", command, self.node.clone(), ready)?;
        if self.agent.is_some() {
            proxy.wait_for_log("kernel tables have the listeners")?;
        }
        self.proxy = Some(proxy);
        self.wait_for_proxy(&fs::read_to_string(self.bundle())?)
    }

    /// Has whoever runs take another policy, and waits until it is in force.
    pub fn load(&self, policy: Policy<'_>) -> Result<()> {
        self.load_bundle(&self.compile(policy)?)
    }

    /// The same with a bundle that was changed by hand.
    pub fn load_edited(&self, policy: Policy<'_>, edit: impl FnOnce(&mut Value)) -> Result<()> {
        self.load_bundle(&edited(&self.compile(policy)?, edit)?)
    }

    fn load_bundle(&self, bundle: &str) -> Result<()> {
        let agent = self.agent.as_ref();
        let loads = agent.map(|agent| agent.lines(LOADING).len()).unwrap_or_default();
        write(&self.bundle(), bundle)?;
        for daemon in [&self.agent, &self.proxy].into_iter().flatten() {
            daemon.hang_up()?;
        }
        if let Some(agent) = agent {
            eventually(SOON, || {
                let log = agent.log();
                ensure!(log.matches(LOADING).count() > loads, "the agent does not load: {log}");
                let since = log.rsplit_once(LOADING).map_or("", |(_, since)| since);
                ensure!(since.contains(ENFORCED), "the agent does not enforce: {log}");
                Ok(())
            })?;
        }
        if self.proxy.is_some() { self.wait_for_proxy(bundle) } else { Ok(()) }
    }

    fn wait_for_proxy(&self, bundle: &str) -> Result<()> {
        let proxy = self.proxy.as_ref().context("there is no proxy")?;
        let digest: String = Sha256::digest(bundle).iter().map(|byte| format!("{byte:02x}")).collect();
        eventually(SOON, || {
            let config = proxy.json("/config")?;
            let loaded = config.pointer("/filter/workers/0/digest").and_then(Value::as_str);
            ensure!(loaded == Some(&digest), "the proxy has not loaded {digest}: {config}");
            Ok(())
        })
    }

    fn compile(&self, policy: Policy<'_>) -> Result<String> {
        policy.compile(self.folder.path(), self.net.subnets())
    }

    /// The first pod, which others ask.
    #[must_use]
    pub fn app1(&self) -> &Pod {
        self.pod(0)
    }

    /// The second pod.
    #[must_use]
    pub fn app2(&self) -> &Pod {
        self.pod(1)
    }

    /// The third pod.
    #[must_use]
    pub fn app3(&self) -> &Pod {
        self.pod(2)
    }

    #[expect(clippy::indexing_slicing, reason = "there are three from the beginning")]
    fn pod(&self, index: usize) -> &Pod {
        &self.pods[index]
    }

    /// Deletes app1 with its device and makes it anew, with the same addresses.
    pub fn restart_app1(&mut self) -> Result<()> {
        drop(self.pods.remove(0));
        let pod = self.new_pod(1)?;
        self.pods.insert(0, pod);
        Ok(())
    }

    fn new_pod(&self, number: u8) -> Result<Pod> {
        let net = PodNet::create(self.node_net()?, number, &format!("app{number}"))?;
        let place = Place::of(net.namespace())?;
        Ok(Pod { net, place })
    }

    /// The node's network.
    pub fn node_net(&self) -> Result<&NodeNet> {
        self.net.node(1)
    }

    /// The node's namespace.
    #[must_use]
    pub fn node(&self) -> &Place {
        &self.node
    }

    /// The namespace outside of the node.
    #[must_use]
    pub fn outside(&self) -> &Place {
        &self.outside
    }

    /// Addresses outside that no inventory knows.
    #[must_use]
    pub fn world(&self) -> [IpAddr; 2] {
        self.net.fabric().world().both()
    }

    /// Addresses of `db`, on another node.
    #[must_use]
    pub fn db(&self) -> [IpAddr; 2] {
        self.net.subnets().pod(2, 1).both()
    }

    /// An HTTP server outside of the node, on all addresses there.
    pub fn serve_outside(&self, port: u16) -> Result<Upstream> {
        serve(&self.outside, port)
    }

    /// An HTTP server on the node itself.
    pub fn serve_on_node(&self, port: u16) -> Result<Upstream> {
        serve(&self.node, port)
    }

    /// `GET path` from the node itself, by an address of its link.
    pub fn get_from_node(&self, to: SocketAddr, path: &str, nothing: bool) -> Result<RawOutcome> {
        let [v4, v6] = self.node_net()?.addresses().both();
        let from = if to.is_ipv4() { v4 } else { v6 };
        let (bytes, deadline) = (get(path), if nothing { NOTHING } else { SOON });
        self.node.run(move || RawClient::request(from, to, &bytes, deadline))
    }

    /// The file that both daemons follow.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle.json")
    }

    /// The folder in bpffs.
    #[must_use]
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// The file that the agent writes flows to.
    #[must_use]
    pub fn flow_file(&self) -> PathBuf {
        self.folder.path().join("flows.jsonl")
    }

    /// The flow events so far.
    pub fn flows(&self) -> Result<Vec<Flow>> {
        Flow::read(&fs::read_to_string(self.flow_file())?)
    }

    /// Waits for a flow event.
    pub fn wait_for_flow(&self, what: &str, is: impl Fn(&Flow) -> bool) -> Result<Flow> {
        eventually(SOON, || {
            let flows = self.flows()?;
            flows
                .iter()
                .rfind(|flow| is(flow))
                .cloned()
                .with_context(|| format!("no flow: {what}: {flows:#?}"))
        })
    }

    /// Runs `postern` in the node's namespace to its end.
    pub fn run(&self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Ran> {
        let mut command = self.postern()?;
        command.args(args.into_iter().map(Into::into));
        let output = command.output().context("cannot run nsenter: it is in the package util-linux")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// `postern node cleanup`.
    pub fn cleanup(&self) -> Result<Ran> {
        self.run(["node".into(), "cleanup".into(), "--bpffs".into(), self.bpffs.clone().into_os_string()])
    }

    fn postern(&self) -> Result<Command> {
        let mut command = self.node_net()?.namespace().command(programs::postern()?);
        command.env("RUST_BACKTRACE", "1").env_remove("NO_COLOR").env_remove("RUST_LOG");
        Ok(command)
    }
}

/// What the agent's log says when it has read other files, and when all of it is in force.
const LOADING: &str = "the policy files changed: loading them";
const ENFORCED: &str = "everything that is wanted is enforced";

impl Drop for World {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        for (name, daemon) in [("node", self.agent.take()), ("proxy", self.proxy.take())] {
            if let Some(daemon) = daemon.filter(|_| failed) {
                eprintln!("the log of postern {name}:\n{}", daemon.log());
            }
        }
        match self.cleanup() {
            Ok(ran) if ran.code == Some(0) => {}
            other => eprintln!("{} may be left: {other:?}", self.bpffs.display()),
        }
        // Pods go before their node.
        self.pods.clear();
    }
}
