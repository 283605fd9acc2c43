//! One node with the tutorial's pods, `postern node`, and Envoy.

pub(crate) mod ask;
mod files;

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ask::{Answer, Got};
use postern_tests_cluster::RunId;
use postern_tests_cluster::net::{Namespace, Network, PodNet};
use postern_tests_cluster::subnets::Subnets;
use postern_tests_cluster::traces;
use postern_tests_harness::{eventually, programs};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const SOON: Duration = Duration::from_secs(60);
/// Envoy takes the shell's place, and with it the process id that the listeners are taken from.
const TOGETHER: &str = r#""$1" node adopt --follow --pid $$ --bpffs "$2" \
    --listen 127.0.0.1:15001 --listen '[::1]:15001' &
exec "$3" --disable-hot-restart --concurrency 2 -c "$4""#;

/// The node and its pods. app4 is as app2. All of it ends with the value.
pub(crate) struct World {
    pub(crate) app1: PodNet,
    pub(crate) app2: PodNet,
    pub(crate) app3: PodNet,
    pub(crate) app4: PodNet,
    network: Network,
    children: Vec<Child>,
    envoy: Option<Child>,
    pins: PathBuf,
    dir: TempDir,
}

impl World {
    /// Without Envoy.
    pub(crate) fn create() -> World {
        let free = |run: &RunId| Subnets::of(*run).check_free().is_ok();
        let run = (0..50).map(|_| RunId::random()).find(free).unwrap();
        let network = Network::create(run, 1).unwrap();
        let node = network.node(1).unwrap();
        let [app1, app2, app3, app4] =
            [1, 2, 3, 4].map(|number| PodNet::create(node, number, &format!("default/app{number}")).unwrap());
        let (pins, dir) = (traces::pin_folder(run, "node1"), tempfile::tempdir().unwrap());
        let mut world =
            World { app1, app2, app3, app4, network, children: Vec::new(), envoy: None, pins, dir };
        let postern = programs::postern().unwrap();
        world.export(&postern);
        world.load("/public");
        let mut app = world.app1.command(PROGRAM);
        app.args(["pod", "demo-app", "--tcp=80"]);
        world.children.push(world.start("app1", app));
        world.start_agent();
        world
    }

    fn start_agent(&mut self) {
        let mut agent = self.node().command(programs::postern().unwrap());
        agent.args(["node", "--admin", "127.0.0.1:9902", "--bundle"]).arg(self.file("bundle.json"));
        agent.arg("--flows").arg(self.file("flows")).arg("--bpffs").arg(&self.pins);
        self.children.push(self.start("agent", agent));
        self.until(|world| world.is_ready("127.0.0.1:9902/readyz"));
    }

    /// Ends the agent, removes all that it has left in the kernel, and starts another one.
    pub(crate) fn make_node_anew(&mut self) {
        let mut agent = self.children.pop().unwrap();
        agent.kill().and_then(|()| agent.wait()).unwrap();
        assert!(self.cleanup().success());
        self.start_agent();
    }

    fn cleanup(&self) -> ExitStatus {
        let mut cleanup = self.node().command(programs::postern().unwrap());
        cleanup.args(["node", "cleanup", "--bpffs"]).arg(&self.pins).stdout(Stdio::null()).status().unwrap()
    }

    /// Starts Envoy, and hands its listeners to the kernel.
    pub(crate) fn start_envoy(&mut self) {
        let mut together = self.node().command("sh");
        together.args(["-c", TOGETHER, "sh"]).arg(programs::postern().unwrap()).arg(&self.pins);
        together.arg(programs::envoy().unwrap()).arg(self.file("node.yaml"));
        let steered =
            |world: &World| world.log("envoy.log").matches("HTTP is steered to the process").count();
        let before = steered(self);
        self.envoy = Some(self.start("envoy", together));
        self.until(|world| world.is_ready("127.0.0.1:9901/ready") && steered(world) > before);
    }

    /// Kills Envoy by SIGKILL.
    pub(crate) fn kill_envoy(&mut self) {
        let mut envoy = self.envoy.take().unwrap();
        envoy.kill().and_then(|()| envoy.wait()).unwrap();
    }

    /// `GET path` from a pod.
    pub(crate) fn get(&self, from: &PodNet, to: IpAddr, path: &str) -> Got {
        ask::get(from.command("curl"), to, path)
    }

    /// The bodies of three requests on one connection, from each of the pods at the same time.
    pub(crate) fn get_thrice_at_once(&self, from: &[&PodNet], to: IpAddr, path: &str) -> Vec<Vec<String>> {
        let started: Vec<Child> =
            from.iter().map(|pod| ask::get_often(pod.command("curl"), to, path, 3)).collect();
        let lines = |child: Child| {
            let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            printed.lines().map(ToOwned::to_owned).collect()
        };
        started.into_iter().map(lines).collect()
    }

    /// Waits for an answer: Envoy's threads take a configuration one after the other.
    pub(crate) fn soon(&self, get: impl Fn() -> Got, expected: &Answer) {
        let waited = eventually(SOON, || {
            let got = get();
            ensure!(got == Got::Answer(expected.clone()), "{got:?}, not yet {expected:?}");
            Ok(())
        });
        waited.with_context(|| self.log("envoy.log")).unwrap();
    }

    /// Waits for a condition.
    pub(crate) fn until(&self, condition: impl Fn(&World) -> bool) {
        let waited = eventually(SOON, || {
            ensure!(condition(self), "not yet");
            Ok(())
        });
        let logs = || ["agent.log", "envoy.log", "flows"].map(|name| self.log(name)).join("\n---\n");
        waited.with_context(logs).unwrap();
    }

    /// What the agent has seen, one JSON value for each event.
    pub(crate) fn flows(&self) -> Vec<Value> {
        self.log("flows").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The requests that have reached app1, one a line.
    pub(crate) fn served(&self) -> String {
        self.log("app1.log")
    }

    /// How many connections Envoy has to servers, or has had (`active`, `total`).
    pub(crate) fn connections(&self, which: &str) -> u64 {
        let mut curl = self.node().command("curl");
        let url = format!("127.0.0.1:9901/stats?filter=^cluster.origin.upstream_cx_{which}$");
        let output = curl.args(["-sSf", "-g", "-m", "5", &url]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.trim().rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn is_ready(&self, url: &str) -> bool {
        let mut curl = self.node().command("curl");
        curl.args(["-sf", "-o", "/dev/null", "-m", "5", url]).status().unwrap().success()
    }

    fn node(&self) -> &Namespace {
        self.network.node(1).unwrap().namespace()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str) -> String {
        fs::read(self.file(name)).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Starts a process whose output is appended to a log.
    fn start(&self, name: &str, mut command: Command) -> Child {
        let path = self.file(&format!("{name}.log"));
        let log = File::options().append(true).create(true).open(path).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.children.iter_mut().chain(&mut self.envoy) {
            let _ = child.kill().and_then(|()| child.wait());
        }
        self.cleanup();
    }
}
