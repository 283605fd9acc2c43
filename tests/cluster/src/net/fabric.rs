//! What is between the nodes.

use std::process::Command;

use anyhow::Result;

use super::{Namespace, sysctl};
use crate::run::RunId;
use crate::subnets::{Dual, Subnets};

/// A router with a link to each node. Its own address is in no cluster network, so that it can stand for
/// the world outside.
#[derive(Debug)]
pub struct Fabric {
    namespace: Namespace,
    subnets: Subnets,
}

impl Fabric {
    pub(super) fn create(run: RunId, subnets: Subnets) -> Result<Fabric> {
        let namespace = Namespace::create(&run.name("fabric"))?;
        sysctl::write(&namespace, &sysctl::NO_DETECTION)?;
        sysctl::write(&namespace, &sysctl::FORWARDING)?;
        let Dual { v4, v6 } = subnets.world();
        namespace
            .ip([format!("address add {v4}/32 dev lo"), format!("address add {v6}/128 dev lo nodad")])?;
        Ok(Fabric { namespace, subnets })
    }

    /// Makes the link of node `number`: a device `there` in the node's namespace, both ends with their
    /// addresses, and the route to the node's pods.
    pub(super) fn plug(&self, number: u8, node: &Namespace, there: &str) -> Result<()> {
        let here = Self::device(number);
        let to = node.name();
        let (theirs, ours) = self.subnets.link(number);
        let (pods4, pods6) = self.subnets.pods(number);
        self.namespace.ip([
            format!("link add name {here} type veth peer name {there} netns {to}"),
            format!("address add {}/30 dev {here}", ours.v4),
            format!("address add {}/64 dev {here} nodad", ours.v6),
            format!("link set {here} up"),
        ])?;
        node.ip([
            format!("address add {}/30 dev {there}", theirs.v4),
            format!("address add {}/64 dev {there} nodad", theirs.v6),
            format!("link set {there} up"),
            format!("route add default via {}", ours.v4),
            format!("route add default via {}", ours.v6),
        ])?;
        self.namespace.ip([
            format!("route add {pods4} via {}", theirs.v4),
            format!("route add {pods6} via {}", theirs.v6),
        ])
    }

    /// The fabric's end of a node's link.
    #[must_use]
    pub fn device(node: u8) -> String {
        format!("node{node}")
    }

    /// The fabric's own addresses: the world, as pods see it.
    #[must_use]
    pub fn world(&self) -> Dual {
        self.subnets.world()
    }

    /// A command that will run out there.
    pub fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}
