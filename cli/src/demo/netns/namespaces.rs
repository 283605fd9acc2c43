//! One namespace for the node, one for each workload, and the links between them. All of it is gone with the value.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use anyhow::{Context, bail};

use crate::demo::client::{self, Answer};
use crate::demo::world::DemoWorld;

/// How the workloads' addresses begin. They exist in these namespaces only.
pub(super) const PREFIX: &str = "10.78.0.";
/// The node, as every workload's first hop.
const GATEWAY: &str = "169.254.1.1";
const PODS: [&str; 3] = ["app1", "app2", "app3"];

/// The namespaces.
pub(super) struct Namespaces {
    name: String,
}

impl Namespaces {
    pub(super) fn create(world: &DemoWorld) -> anyhow::Result<Self> {
        let namespaces = Self { name: format!("postern-demo-{}", std::process::id()) };
        let node = namespaces.node();
        ip(&["netns", "add", &node])
            .context("the demo makes network namespaces: run it as root, with iproute2")?;
        ip(&["-n", &node, "link", "set", "lo", "up"])?;
        // Of this namespace alone: the machine's own setting is not touched.
        namespaces.run(&node, Command::new("sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))?;
        for pod in PODS {
            namespaces.add_pod(pod, world.address(pod)?)?;
        }
        Ok(namespaces)
    }

    fn add_pod(&self, pod: &str, address: IpAddr) -> anyhow::Result<()> {
        let (node, namespace, address) = (self.node(), self.pod(pod), format!("{address}/32"));
        ip(&["netns", "add", &namespace])?;
        ip(&["-n", &node, "link", "add", pod, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        ip(&["-n", &node, "address", "add", &format!("{GATEWAY}/32"), "dev", pod])?;
        ip(&["-n", &node, "link", "set", pod, "up"])?;
        ip(&["-n", &node, "route", "add", &address, "dev", pod])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        ip(&["-n", &namespace, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        ip(&["-n", &namespace, "route", "add", GATEWAY, "dev", "eth0"])?;
        ip(&["-n", &namespace, "route", "add", "default", "via", GATEWAY])
    }

    /// The name of the demo's run: what it makes elsewhere is called so too.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn node(&self) -> String {
        format!("{}-node", self.name)
    }

    pub(super) fn pod(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// This very binary, to be run in a namespace. `ip netns exec` would hide the BPF file system.
    pub(super) fn postern(&self, namespace: &str) -> anyhow::Result<Command> {
        let binary = std::env::current_exe().context("the demo does not find its own binary")?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}")).arg(binary);
        Ok(command)
    }

    /// `GET path`, from a namespace.
    pub(super) fn get(&self, namespace: &str, to: SocketAddr, path: &str) -> anyhow::Result<Answer> {
        let mut command = self.postern(namespace)?;
        let output = command
            .args(["demo", "--inside-get", &to.to_string(), "--inside-path", path])
            .output()
            .context("cannot run nsenter: it is in the package util-linux")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        client::read(&output.stdout)
    }

    fn run(&self, namespace: &str, command: &Command) -> anyhow::Result<()> {
        let mut inside = Command::new("nsenter");
        inside
            .arg(format!("--net=/run/netns/{namespace}"))
            .arg(command.get_program())
            .args(command.get_args());
        check(&mut inside)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // The links go with their namespaces.
        for namespace in PODS.map(|pod| self.pod(pod)).iter().chain([&self.node()]) {
            drop(ip(&["netns", "delete", namespace]));
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    check(Command::new("ip").args(arguments))
}

fn check(command: &mut Command) -> anyhow::Result<()> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let program = command.get_program().display();
    bail!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim())
}
