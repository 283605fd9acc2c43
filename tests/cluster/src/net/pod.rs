//! A pod: a namespace behind a veth of its node.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{Namespace, NodeNet, sysctl};
use crate::subnets::{Dual, MAX_PODS, Subnets};
use crate::tool;

/// The gateways of every pod: addresses of the host's end of its own veth. Both are found as in any
/// network, by ARP and neighbour discovery.
const GATEWAY_V4: &str = "169.254.1.1";
const GATEWAY_V6: &str = "fe80::1";
/// The pod's end.
const DEVICE: &str = "eth0";

/// The network of a pod. Dropping it removes namespace, veth and routes.
#[derive(Debug)]
pub struct PodNet {
    namespace: Namespace,
    node: String,
    device: String,
    address: Dual,
    number: u8,
}

impl PodNet {
    /// Makes the pod with this number, 1 to [`MAX_PODS`], on `node`. `alias` is what `ip link` shows beside
    /// the host's device.
    pub fn create(node: &NodeNet, number: u8, alias: &str) -> Result<PodNet> {
        ensure!(
            (1..=MAX_PODS).contains(&number),
            "a node has room for {MAX_PODS} pods, not for number {number}"
        );
        let run = node.run();
        let namespace = Namespace::create(&run.name(&format!("n{}p{number}", node.number())))?;
        sysctl::write(&namespace, &sysctl::NO_DETECTION)?;
        let address = Subnets::of(run).pod(node.number(), number);
        let pod = PodNet {
            node: node.namespace().name().to_owned(),
            device: format!("pod{number}"),
            namespace,
            address,
            number,
        };
        pod.connect(node, alias)
            .with_context(|| format!("cannot connect pod {number} of {}", node.name()))?;
        Ok(pod)
    }

    fn connect(&self, node: &NodeNet, alias: &str) -> Result<()> {
        let PodNet { namespace, device, address: Dual { v4, v6 }, .. } = self;
        let pod = namespace.name();
        node.namespace().ip([
            format!("link add name {device} type veth peer name {DEVICE} netns {pod}"),
            format!("link set {device} alias \"{alias}\""),
            format!("address add {GATEWAY_V4}/32 dev {device}"),
            format!("address add {GATEWAY_V6}/64 dev {device} nodad"),
            format!("link set {device} up"),
        ])?;
        namespace.ip([
            format!("address add {v4}/32 dev {DEVICE}"),
            format!("address add {v6}/128 dev {DEVICE} nodad"),
            format!("link set {DEVICE} up"),
            format!("route add {GATEWAY_V4} dev {DEVICE} scope link"),
            format!("route add default via {GATEWAY_V4} dev {DEVICE} src {v4}"),
            format!("route add default via {GATEWAY_V6} dev {DEVICE} src {v6}"),
        ])?;
        node.namespace()
            .ip([format!("route add {v4}/32 dev {device}"), format!("route add {v6}/128 dev {device}")])
    }

    /// Its addresses.
    #[must_use]
    pub fn address(&self) -> Dual {
        self.address
    }

    /// The host's end of its veth, in the node's namespace.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Its number on the node.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A command that will run in the pod.
    pub fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }
}

impl Drop for PodNet {
    fn drop(&mut self) {
        // By the host's end, at once; the kernel takes a namespace down only when it has time. Fails when the
        // node has gone before its pods, and the device with it.
        let _ = tool::output("ip", &["-netns", &self.node, "link", "delete", &self.device]);
    }
}
