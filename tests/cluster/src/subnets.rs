//! Which addresses a box uses, all derived from its run.
//!
//! Only the management network is visible outside the box's namespaces, so it is the only one that has to
//! be unique on the machine. The others are derived from the run too, so that an address in a log tells
//! which box it was in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::Value;

use crate::run::RunId;
use crate::tool;

/// Shared address space (100.64.0.0/10) has room for exactly one /26 for each run.
const MANAGEMENT: u32 = u32::from_be_bytes([100, 64, 0, 0]);
const MANAGEMENT_BITS: u8 = 26;
/// How many nodes a box may have: what the plan has room for, and more than two cores can run.
pub const MAX_NODES: u8 = 8;
/// The last number of a pod on a node.
pub const MAX_PODS: u8 = 250;

/// A v4 and a v6 address of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dual {
    /// The first family.
    pub v4: Ipv4Addr,
    /// The second family.
    pub v6: Ipv6Addr,
}

impl Dual {
    /// Both, v4 first.
    #[must_use]
    pub fn both(self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// The addresses of one run.
#[derive(Debug, Clone, Copy)]
pub struct Subnets(RunId);

impl Subnets {
    /// Those of `run`.
    #[must_use]
    pub fn of(run: RunId) -> Subnets {
        Subnets(run)
    }

    /// The network that joins the nodes with the API server and the controller.
    #[must_use]
    pub fn management(self) -> (Ipv4Net, Ipv6Net) {
        let v4 =
            Ipv4Addr::from(MANAGEMENT + (u32::from(self.0.number()) << (32 - u32::from(MANAGEMENT_BITS))));
        (Ipv4Net::new_assert(v4, MANAGEMENT_BITS), Ipv6Net::new_assert(self.v6(1, 0), 64))
    }

    /// Where the API server and the controller listen.
    #[must_use]
    pub fn hub(self) -> Dual {
        self.managed(1)
    }

    /// The address of a node in the management network.
    #[must_use]
    pub fn manager(self, node: u8) -> Dual {
        self.managed(node.saturating_add(1))
    }

    fn managed(self, host: u8) -> Dual {
        let (v4, _) = self.management();
        Dual { v4: Ipv4Addr::from(u32::from(v4.addr()) + u32::from(host)), v6: self.v6(1, host.into()) }
    }

    /// The two ends of a node's link to the others: the node's, and the router's. A /30 and a /64.
    #[must_use]
    pub fn link(self, node: u8) -> (Dual, Dual) {
        let base = node.saturating_mul(4);
        let end = |host: u8| Dual {
            v4: self.v4(253, base.saturating_add(host)),
            v6: self.v6(0x20 + u16::from(node), host.into()),
        };
        (end(2), end(1))
    }

    /// An address that is no pod's and no node's: what a policy calls the world.
    #[must_use]
    pub fn world(self) -> Dual {
        Dual { v4: self.v4(254, 1), v6: self.v6(2, 1) }
    }

    /// The pods of a node (from 1).
    #[must_use]
    pub fn pods(self, node: u8) -> (Ipv4Net, Ipv6Net) {
        let v6 = self.v6(0x100 + u16::from(node), 0);
        (Ipv4Net::new_assert(self.v4(node, 0), 24), Ipv6Net::new_assert(v6, 64))
    }

    /// The address of the pod with this number (from 1) on a node.
    #[must_use]
    pub fn pod(self, node: u8, number: u8) -> Dual {
        Dual { v4: self.v4(node, number), v6: self.v6(0x100 + u16::from(node), number.into()) }
    }

    /// What services get their addresses from.
    #[must_use]
    pub fn services(self) -> (Ipv4Net, Ipv6Net) {
        (Ipv4Net::new_assert(self.v4(252, 0), 24), Ipv6Net::new_assert(self.v6(3, 0), 112))
    }

    /// Everything but the management network is in 10.128.0.0/9.
    fn v4(self, third: u8, fourth: u8) -> Ipv4Addr {
        let [_, low] = self.0.number().to_be_bytes();
        Ipv4Addr::new(10, 0x80 | low, third, fourth)
    }

    fn v6(self, subnet: u16, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd70, 0x6f73, self.0.number(), subnet, 0, 0, 0, host)
    }

    /// Fails when this machine has an address or a route in the management network already.
    pub fn check_free(self) -> Result<()> {
        let (v4, v6) = self.management();
        for (family, wanted) in [("-4", IpNet::from(v4)), ("-6", IpNet::from(v6))] {
            let json = tool::output("ip", &["-json", family, "route", "show", "table", "all"])?;
            let routes: Value =
                serde_json::from_str(&json).context("cannot read the routes of this machine")?;
            for route in routes.as_array().into_iter().flatten() {
                let to = route.get("dst").and_then(Value::as_str).and_then(destination);
                let clash = to.filter(|to| to.contains(&wanted) || wanted.contains(to));
                ensure!(clash.is_none(), "{wanted} is in use on this machine: {route}");
            }
        }
        Ok(())
    }
}

/// A route's destination. None for the default route, which everything is in.
fn destination(text: &str) -> Option<IpNet> {
    let net: Option<IpNet> = text.parse().ok();
    net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).filter(|net| net.prefix_len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_run() {
        let subnets = Subnets::of("ffff".parse().unwrap());
        assert_eq!(subnets.management().0.to_string(), "100.127.255.192/26");
        assert_eq!(subnets.hub().v4.to_string(), "100.127.255.193");
        assert_eq!(subnets.manager(MAX_NODES).v4.to_string(), "100.127.255.201");
        assert_eq!(subnets.pod(2, 7).v4.to_string(), "10.255.2.7");
        assert_eq!(subnets.pod(2, 7).v6.to_string(), "fd70:6f73:ffff:102::7");
        assert_eq!(subnets.link(1).0.v4.to_string(), "10.255.253.6");
        assert!(subnets.pods(2).0.contains(&subnets.pod(2, MAX_PODS).v4));
    }

    #[test]
    fn two_runs_never_share_a_management_network() {
        let [one, other] = ["0a00", "0a01"].map(|run| Subnets::of(run.parse().unwrap()).management());
        assert!(!one.0.contains(&other.0) && !other.0.contains(&one.0));
        assert!(!one.1.contains(&other.1));
    }

    #[test]
    fn a_default_route_is_no_clash() {
        assert_eq!(destination("default"), None);
        assert_eq!(destination("0.0.0.0/0"), None);
        assert_eq!(destination("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }
}
