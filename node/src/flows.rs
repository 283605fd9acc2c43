//! Flow events as people and machines read them: one JSON object a line.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postern_policy_core::policy::Direction;
use serde::Serialize;

use crate::datapath::{FlowEvent, FlowVerdict};

/// A drop or a new connection, with names in place of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// When it was read, in milliseconds since 1970.
    pub time_ms: u64,
    /// The workload whose policy was asked, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `ingress` or `egress`, as the workload sees it.
    pub direction: &'static str,
    /// `allowed`, `redirected` or `dropped`.
    pub verdict: &'static str,
    /// Why, for drops: a stable name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The peer's identity, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<u32>,
    /// `TCP`, `UDP`, `ICMP`, `ICMPv6`, or the protocol's number.
    pub protocol: String,
    /// Address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

impl Flow {
    /// An event, with the names of the endpoints by their numbers.
    pub fn new(event: &FlowEvent, names: &HashMap<u32, String>) -> Self {
        let dropped = event.verdict == FlowVerdict::Dropped;
        let end = |address: Option<std::net::IpAddr>, port: u16| {
            address.map(|address| match has_ports(event.protocol) {
                true => std::net::SocketAddr::from((address, port)).to_string(),
                false => address.to_string(),
            })
        };
        Self {
            time_ms: milliseconds(SystemTime::now()),
            endpoint: names.get(&event.endpoint).cloned(),
            direction: match event.direction {
                Direction::Ingress => "ingress",
                Direction::Egress => "egress",
            },
            verdict: match event.verdict {
                FlowVerdict::Allowed => "allowed",
                FlowVerdict::Redirected => "redirected",
                FlowVerdict::Dropped => "dropped",
            },
            reason: dropped.then(|| event.reason.name()),
            identity: event.peer.map(|identity| identity.0),
            protocol: protocol(event.protocol),
            source: end(event.source, event.source_port),
            destination: end(event.destination, event.destination_port),
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 132)
}

fn protocol(number: u8) -> String {
    match number {
        1 => "ICMP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        58 => "ICMPv6".to_owned(),
        132 => "SCTP".to_owned(),
        other => other.to_string(),
    }
}
