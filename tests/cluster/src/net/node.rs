//! A node: a namespace that passes packets on between its pods and its links.

use anyhow::Result;

use super::link::{Bridge, Cable};
use super::{Fabric, Namespace, sysctl};
use crate::run::RunId;
use crate::subnets::{Dual, Subnets};

/// A node's link to the other nodes and the world: what the agent calls its uplink.
pub const LINK: &str = "link0";
/// A node's link to the API server and the controller.
pub const MANAGEMENT: &str = "mgmt0";

/// The network of a node.
#[derive(Debug)]
pub struct NodeNet {
    _cable: Cable,
    namespace: Namespace,
    number: u8,
    run: RunId,
}

impl NodeNet {
    pub(super) fn create(run: RunId, number: u8, fabric: &Fabric, bridge: &Bridge) -> Result<NodeNet> {
        let subnets = Subnets::of(run);
        let namespace = Namespace::create(&run.name(&format!("node{number}")))?;
        sysctl::write(&namespace, &sysctl::NO_DETECTION)?;
        let cable = bridge.plug(&run.name(&format!("n{number}")), &namespace, MANAGEMENT)?;
        let Dual { v4, v6 } = subnets.manager(number);
        let (net4, net6) = subnets.management();
        namespace.ip([
            format!("address add {v4}/{} dev {MANAGEMENT}", net4.prefix_len()),
            format!("address add {v6}/{} dev {MANAGEMENT} nodad", net6.prefix_len()),
            format!("link set {MANAGEMENT} up"),
        ])?;
        fabric.plug(number, &namespace, LINK)?;
        // An address of this node that no pod has must not travel to the fabric and back.
        let (pods4, pods6) = subnets.pods(number);
        namespace.ip([format!("route add unreachable {pods4}"), format!("route add unreachable {pods6}")])?;
        sysctl::write(&namespace, &sysctl::FORWARDING)?;
        Ok(NodeNet { _cable: cable, namespace, number, run })
    }

    /// Its number, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The addresses by which other nodes know it.
    #[must_use]
    pub fn addresses(&self) -> Dual {
        Subnets::of(self.run).link(self.number).0
    }

    /// Whose it is.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }
}
