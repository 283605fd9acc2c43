//! The network of a box: nodes and pods as network namespaces, joined by veth pairs.
//!
//! ```text
//!   this machine             pcXXXX-node1                    pcXXXX-n1p1
//!   bridge pcXXXX-br ─────── mgmt0                           eth0  10.x.1.1/32
//!      .1  API server,                        pod1 ───────── default via 169.254.1.1
//!          controller        link0 ─┐         (host routes to 10.x.1.1/32)
//!                                   │
//!                      pcXXXX-fabric: a router; traffic between nodes crosses it, twice over a veth
//! ```

mod fabric;
mod link;
mod namespace;
mod node;
mod pod;
mod sysctl;

pub use fabric::Fabric;
pub use namespace::Namespace;
pub use node::{LINK, MANAGEMENT, NodeNet};
pub use pod::PodNet;

pub(crate) use link::{names as devices, remove as remove_device};
pub(crate) use namespace::{command_in, inodes, names, remove_by_name};

use anyhow::{Context as _, Result, ensure};

use crate::run::RunId;
use crate::subnets::{MAX_NODES, Subnets};
use link::Bridge;

/// The network of one box. Dropping it removes everything.
#[derive(Debug)]
pub struct Network {
    // Dropped in this order: pods are their owners', and go before.
    nodes: Vec<NodeNet>,
    fabric: Fabric,
    bridge: Bridge,
    run: RunId,
}

impl Network {
    /// Makes the network with `nodes` nodes and no pods.
    pub fn create(run: RunId, nodes: u8) -> Result<Network> {
        ensure!((1..=MAX_NODES).contains(&nodes), "a box has 1 to {MAX_NODES} nodes, not {nodes}");
        let subnets = Subnets::of(run);
        subnets.check_free()?;
        let bridge = Bridge::create(run, subnets).context("cannot make the management network")?;
        let fabric = Fabric::create(run, subnets).context("cannot make the network between the nodes")?;
        let mut network = Network { nodes: Vec::new(), fabric, bridge, run };
        for number in 1..=nodes {
            let node = NodeNet::create(run, number, &network.fabric, &network.bridge);
            network.nodes.push(node.with_context(|| format!("cannot make node {number}"))?);
        }
        Ok(network)
    }

    /// Whose it is.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The addresses in it.
    #[must_use]
    pub fn subnets(&self) -> Subnets {
        Subnets::of(self.run)
    }

    /// The nodes, in order.
    #[must_use]
    pub fn nodes(&self) -> &[NodeNet] {
        &self.nodes
    }

    /// The node with this number, from 1.
    pub fn node(&self, number: u8) -> Result<&NodeNet> {
        let node = self.nodes.iter().find(|node| node.number() == number);
        node.with_context(|| format!("there is no node {number}: this box has {}", self.nodes.len()))
    }

    /// What is between the nodes, and outside of the cluster.
    #[must_use]
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }
}
