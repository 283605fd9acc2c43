//! Which connections ports cover.

use super::View;
use crate::policy::Direction;
use crate::policy::cilium::{Icmp, Port, PortName, PortProtocol};
use crate::port::Protocol;
use crate::world::{ContainerPort, Owner};

impl View<'_> {
    /// §1.4: one of `ports`.
    pub(super) fn port(&self, port: &Port) -> bool {
        let target = self.target;
        let of_protocol = match port.protocol {
            None | Some(PortProtocol::Any) => target.protocol.has_ports(),
            Some(PortProtocol::Only(protocol)) => protocol == target.protocol,
        };
        of_protocol
            && match &port.port {
                PortName::Absent | PortName::Number(0) => true,
                PortName::Number(first) => (*first..=port.end.unwrap_or(*first)).contains(&target.port),
                PortName::Name(name) => self.named_port(name),
            }
    }

    /// §2.5: the subject's own ports for ingress, the peer's for egress; what is not resolved has no effect.
    pub(super) fn named_port(&self, name: &str) -> bool {
        let is = |port: &ContainerPort| {
            port.name == name && port.port == self.target.port && port.protocol == self.target.protocol
        };
        match (self.direction, self.peer) {
            (Direction::Ingress, _) => self.subject.ports.iter().any(is),
            // Workloads with the same labels are one identity, and share the ports of all.
            (Direction::Egress, Owner::Workload(peer)) => {
                let labels = self.world.labels(peer);
                let mut same = self.world.workloads.iter().filter(|one| self.world.labels(one) == labels);
                same.any(|workload| workload.ports.iter().any(is))
            }
            (Direction::Egress, Owner::Node(_) | Owner::Outside(_)) => false,
        }
    }

    /// One of `icmps`: the type stands where others have a port.
    pub(super) fn icmp(&self, icmp: &Icmp) -> bool {
        let protocol = if icmp.v6 { Protocol::IcmpV6 } else { Protocol::Icmp };
        self.target.protocol == protocol && self.target.port == u16::from(icmp.number)
    }
}
