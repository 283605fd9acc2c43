//! The place: a node and two pods on it, as network namespaces, with a server in one pod.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use postern_tests_cluster::RunId;
use postern_tests_cluster::net::{Network, PodNet};
use postern_tests_cluster::subnets::Subnets;
use postern_tests_cluster::traces;
use serde::{Deserialize, Serialize};

use crate::policy::PORT;
use crate::traffic::Measured;

const TRIES: usize = 50;

/// What the program in the node's namespace has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Where BPF objects may be pinned.
    pub(crate) pins: PathBuf,
    pub(crate) client: Seat,
    pub(crate) server: Seat,
    /// The processor that client and server share.
    pub(crate) core: usize,
    /// The server's process.
    pub(crate) process: u32,
}

/// One pod.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub(crate) address: Ipv4Addr,
    /// The host's end of its device.
    pub(crate) device: String,
    /// The file that stands for its namespace.
    pub(crate) namespace: PathBuf,
}

impl Seat {
    fn of(pod: &PodNet) -> Self {
        let namespace = pod.namespace().path();
        Self { address: pod.address().v4, device: pod.device().to_owned(), namespace }
    }

    /// This program, in the pod, on one processor.
    pub(crate) fn command(&self, core: usize) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.display()));
        command.args(["--", "taskset", "-c", &core.to_string()]).arg(own()?);
        Ok(command)
    }

    /// Its port.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address.into(), PORT)
    }
}

/// A process that ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is left of a run when everything else has been dropped.
struct Sweep(RunId);

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Err(error) = traces::remove(self.0) {
            eprintln!("cannot remove run {}: {error:#}", self.0);
        }
    }
}

/// Makes the place, measures in it, and removes it.
pub(crate) fn measure(turns: u8, millis: u16) -> Result<Measured> {
    let run = free()?;
    let _sweep = Sweep(run);
    let network = Network::create(run, 1)?;
    let node = network.node(1)?;
    let pod = |number| PodNet::create(node, number, "bench");
    let pods = [pod(1)?, pod(2)?];
    let [client, server] = pods.each_ref().map(Seat::of);
    let core = std::thread::available_parallelism()?.get() - 1;
    let process = start(server.command(core)?.args(["serve", &server.socket().to_string()]))?;
    let pins = traces::pin_folder(run, "bench");
    let place = Place { pins, client, server, core, process: process.0.id() };
    let mut command = node.namespace().command(own()?);
    command.args(["--turns", &turns.to_string(), "--millis", &millis.to_string(), "node"]);
    let output = command.arg(serde_json::to_string(&place)?).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run this program in the node's namespace")?;
    ensure!(output.status.success(), "the measurement in the node's namespace failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("cannot read what was measured")
}

fn start(command: &mut Command) -> Result<Server> {
    let child = command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
    let mut server = Server(child);
    let output: Option<ChildStdout> = server.0.stdout.take();
    let mut line = String::new();
    BufReader::new(output.context("the server has no output")?).read_line(&mut line)?;
    ensure!(line.trim_end() == "ready", "the server did not start");
    Ok(server)
}

fn free() -> Result<RunId> {
    for _ in 0..TRIES {
        let run = RunId::random();
        if Subnets::of(run).check_free().is_ok() && !Path::new("/run/netns").join(run.name("node1")).exists()
        {
            return Ok(run);
        }
    }
    bail!(
        "no addresses are free for a network of namespaces: `cargo xtask cluster down --all` removes old ones"
    )
}

fn own() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}
