//! A running box.

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::apiserver::ApiServer;
use postern_tests_harness::eventually;
use serde::Deserialize;
use serde_json::Value;

use crate::daemon::{Daemon, Home, read_log, tail};
use crate::daemons::node::Node;
use crate::daemons::{access, controller};
use crate::folder::{Facts, Folder, Owner};
use crate::kubelet::{Kubelet, Settings};
use crate::net::Network;
use crate::options::Options;
use crate::proc::ProcessId;
use crate::run::RunId;
use crate::services::ServiceProxy;
use crate::subnets::Subnets;
use crate::{control, exec, tool, traces};

const DEADLINE: Duration = Duration::from_secs(60);
/// How much of each log a failed test shows.
const DUMPED_LINES: usize = 40;
/// How many runs are tried before giving up.
const TRIES: usize = 20;

/// A box that is ready. Dropping it ends everything and removes every trace; in a test that fails, what all
/// components have logged is printed first.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: first those that use the network, then the network, then the rest.
    kubelet: Option<Kubelet>,
    nodes: Vec<Node>,
    controller: Option<Daemon>,
    server: Option<ApiServer>,
    network: Option<Arc<Network>>,
    _sweep: Sweep,
    home: Home,
    progress: bool,
}

/// Removes what is left when everything else has been dropped, whichever step of the start had failed.
#[derive(Debug)]
struct Sweep(RunId);

impl Drop for Sweep {
    fn drop(&mut self) {
        if std::thread::panicking() {
            dump(&Folder::of(self.0));
        }
        if let Err(error) = traces::sweep(self.0) {
            eprintln!("cannot remove run {}: {error:#}", self.0);
        }
    }
}

/// A condition in the status of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

impl Cluster {
    /// Starts everything and waits until it is ready.
    pub fn start(options: &Options) -> Result<Cluster> {
        let started = claim(options).and_then(|mut cluster| match cluster.bring_up(options) {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.dump_logs();
                Err(error)
            }
        });
        started.context("cannot start a cluster in a box")
    }

    fn bring_up(&mut self, options: &Options) -> Result<()> {
        let subnets = Subnets::of(self.home.run);
        self.say("making the network");
        let network = Arc::new(Network::create(self.home.run, options.nodes)?);
        self.network = Some(Arc::clone(&network));
        self.say("starting etcd and the API server (some seconds)");
        let server = self.server.insert(control::start(subnets)?);
        let kubeconfig = server.kubeconfig().to_owned();
        let address = subnets.hub().v4.into();
        let authority = self.home.folder.join("postern-ca.crt");
        let node = |net| Node::new(net, &self.home, address, &authority);
        self.nodes = network.nodes().iter().map(node).collect();
        self.kubelet = Some(Kubelet::start(Settings {
            kubeconfig: kubeconfig.clone(),
            network,
            home: self.home.clone(),
            program: options.program.clone(),
            services: if options.daemons { options.services } else { ServiceProxy::PodNft },
        })?);
        for path in &options.manifests {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            self.apply(&text)?;
        }
        if options.daemons {
            self.start_daemons(options)?;
        }
        let shown = self.home.folder.join("kubeconfig");
        fs::copy(&kubeconfig, &shown).context("cannot copy the kubeconfig")?;
        self.home.folder.publish(&Facts {
            kubeconfig: shown,
            kubectl: control::kubectl()?,
            nodes: self.nodes.iter().map(|node| node.name().to_owned()).collect(),
            daemons: options.daemons,
        })
    }

    fn start_daemons(&mut self, options: &Options) -> Result<()> {
        let accounts: Vec<&str> = options.controller_account.as_deref().into_iter().collect();
        access::prepare(self.server()?, &accounts)?;
        let folder = self.home.folder.clone();
        let kubeconfig = match &options.controller_account {
            Some(account) => {
                access::account_kubeconfig(self.server()?, account, &folder.join("controller.kubeconfig"))?
            }
            None => self.server()?.kubeconfig().to_owned(),
        };
        let address = Subnets::of(self.home.run).hub().v4.into();
        self.say("starting the controller");
        self.controller = Some(controller::start(&self.home, address, kubeconfig)?);
        let server = self.server.as_ref().context("there is no API server")?;
        access::authority(server, &folder.join("postern-ca.crt"), DEADLINE)?;
        self.say("starting the nodes' agents and proxies");
        for node in &mut self.nodes {
            node.start(server, &self.home, options.engine)?;
        }
        self.nodes.iter_mut().try_for_each(|node| node.wait_until_ready(DEADLINE))
    }

    /// Runs kubectl as the administrator and gives what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.server()?.kubectl_ok(args, "")
    }

    /// Applies a manifest in YAML or JSON.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        self.server()?.apply(manifest)
    }

    /// Creates what a manifest has, as `kubectl create -f` does.
    pub fn create(&self, manifest: &str) -> Result<String> {
        self.server()?.kubectl_ok(&["create", "-f", "-"], manifest)
    }

    /// The API server: to be paused, stopped and started again.
    pub fn server_mut(&mut self) -> Result<&mut ApiServer> {
        self.server.as_mut().context("there is no API server")
    }

    /// The API server.
    pub fn server(&self) -> Result<&ApiServer> {
        self.server.as_ref().context("there is no API server")
    }

    /// Runs a command in a pod's network. `pod` is a name, `NAMESPACE/NAME`, or `app1` for the only pod whose
    /// name starts with `app1-`. Whether the command succeeded is for the test to say.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<Output> {
        let (program, args) = command.split_first().context("which command?")?;
        tool::finish(self.command(pod, program)?.args(args), "")
    }

    /// A command in a pod's network, to be started by the caller.
    pub fn command(&self, pod: &str, program: &str) -> Result<Command> {
        exec::command(&self.home.folder, pod, program)
    }

    /// The running pods, as `NAMESPACE/NAME`.
    pub fn pods(&self) -> Result<Vec<String>> {
        exec::running(&self.home.folder)
    }

    /// What a pod's process has printed. The demo app prints a line for each request: method, path, client.
    #[must_use]
    pub fn pod_log(&self, namespace: &str, name: &str) -> String {
        read_log(&self.home.log_path(&format!("pod_{namespace}_{name}")))
    }

    /// The node with this number, from 1.
    pub fn node(&mut self, number: usize) -> Result<&mut Node> {
        let index = number.checked_sub(1).context("nodes are counted from 1")?;
        self.nodes.get_mut(index).with_context(|| format!("there is no node {number}"))
    }

    /// The controller: to be killed and started again.
    pub fn controller(&mut self) -> Result<&mut Daemon> {
        self.controller.as_mut().context("this box was made without daemons")
    }

    /// Waits until the controller serves, as after it was started again.
    pub fn wait_for_controller(&mut self, deadline: Duration) -> Result<()> {
        let address = Subnets::of(self.home.run).hub().v4.into();
        self.controller()?.wait_until(deadline, || controller::ready(address))
    }

    /// The conditions of a `CiliumNetworkPolicy` in the namespace `default`.
    pub fn policy_conditions(&self, name: &str) -> Result<Vec<Condition>> {
        let text = self.kubectl(&["get", "ciliumnetworkpolicies.v2.cilium.io", name, "-o", "json"])?;
        let policy: Value = serde_json::from_str(&text).context("cannot read what kubectl printed")?;
        let conditions =
            policy.pointer("/status/conditions").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        serde_json::from_value(conditions).context("the policy's conditions are not as expected")
    }

    /// Waits until every pod with these labels is ready.
    pub fn wait_for_pods(&self, selector: &str, count: usize, deadline: Duration) -> Result<()> {
        self.wait_for(deadline, |cluster| {
            let ready =
                r#"jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
            let text = cluster.kubectl(&["get", "pods", "-l", selector, "-o", ready])?;
            let ready = text.lines().filter(|line| *line == "True").count();
            ensure!(ready == count && text.lines().count() == count, "{ready} of {count} are ready:\n{text}");
            Ok(())
        })
    }

    /// Waits until `attempt` succeeds.
    pub fn wait_for<T>(
        &self,
        deadline: Duration,
        mut attempt: impl FnMut(&Cluster) -> Result<T>,
    ) -> Result<T> {
        eventually(deadline, || attempt(self))
    }

    /// Makes another pod's network by hand, on a node; for what the API server does not know of.
    pub fn network(&self) -> Result<&Network> {
        self.network.as_deref().context("there is no network")
    }

    /// Whose it is.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.home.run
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.home.folder
    }

    /// Prints the end of every log to standard error.
    pub fn dump_logs(&self) {
        dump(&self.home.folder);
        if let Some(Ok(log)) = self.server.as_ref().map(ApiServer::log) {
            eprintln!("--- API server\n{}", tail(&log, DUMPED_LINES));
        }
    }

    fn say(&self, what: &str) {
        if self.progress {
            eprintln!("run {}: {what}", self.home.run);
        }
    }
}

/// Takes a run that nobody has.
fn claim(options: &Options) -> Result<Cluster> {
    let owner = Owner { process: ProcessId::own()?, detached: options.detached };
    let tries = if options.run.is_some() { 1 } else { TRIES };
    let mut last = None;
    for _ in 0..tries {
        let run = options.run.unwrap_or_else(RunId::random);
        let free = Subnets::of(run).check_free().and_then(|()| Folder::claim(run, owner));
        match free {
            Err(error) => last = Some(error),
            Ok(folder) => {
                return Ok(Cluster {
                    kubelet: None,
                    nodes: Vec::new(),
                    controller: None,
                    server: None,
                    network: None,
                    _sweep: Sweep(run),
                    home: Home { run, folder },
                    progress: options.progress,
                });
            }
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no run was tried")))
}

fn dump(folder: &Folder) {
    let Ok(entries) = fs::read_dir(folder.logs()) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().display().to_string();
        eprintln!("--- {name}\n{}", tail(&read_log(&path), DUMPED_LINES));
    }
}
