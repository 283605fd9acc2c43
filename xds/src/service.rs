//! Services as clients need them: an address that traffic goes to, and who is behind it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::resource::{Named, ResourceType};

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// `namespace/name`.
    pub name: String,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// The ports it offers.
    pub ports: Vec<ServicePort>,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePort {
    /// The port on the service's addresses.
    pub port: u16,
    /// Its protocol.
    pub protocol: TransportProtocol,
    /// Where its traffic goes: nowhere where there are none.
    pub backends: Vec<Backend>,
}

/// A protocol of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TransportProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A workload's socket behind a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// The workload's address.
    pub address: IpAddr,
    /// The port on it.
    pub port: u16,
}

impl Named for Service {
    const TYPE: ResourceType = ResourceType::Service;

    fn resource_name(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_as_documented_and_nothing_else_is_taken() {
        let json = r#"{"name":"default/app1-service","addresses":["10.96.0.1"],"ports":[{"port":80,"protocol":"TCP","backends":[{"address":"10.0.0.1","port":8080}]}]}"#;
        let service: Service = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&service).unwrap(), json);
        for bad in [json.replace("TCP", "ICMP"), json.replace("{\"name\"", "{\"more\":1,\"name\"")] {
            assert!(serde_json::from_str::<Service>(&bad).is_err(), "{bad}");
        }
    }
}
