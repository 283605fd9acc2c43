//! The images that the box can run: programs of its own.

use k8s_openapi::api::core::v1::{Container, Pod};

/// The tutorial's server.
const DEMO_APP: &str = "postern.dev/demo-app";
/// A pod that does nothing until a command is run in it.
const CLIENT: &str = "postern.dev/client";
/// Where the server listens unless its container names ports.
const HTTP: u16 = 80;

/// What runs for a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// HTTP on these TCP ports, and an echo on these UDP ports.
    DemoApp {
        /// Served by HTTP.
        tcp: Vec<u16>,
        /// Echoed.
        udp: Vec<u16>,
    },
    /// Nothing, until a command is run in the pod.
    Client,
    /// Nothing that the box starts: a pod on the host's network stands for one of the box's own daemons.
    Elsewhere,
}

impl Program {
    /// The program of a pod, or why there is none.
    pub(crate) fn of(pod: &Pod) -> Result<Program, String> {
        let spec = pod.spec.as_ref().ok_or("the pod has no spec")?;
        if spec.host_network == Some(true) {
            return Ok(Program::Elsewhere);
        }
        let [container] = spec.containers.as_slice() else {
            return Err("the box runs pods of one container only".to_owned());
        };
        let image = container.image.as_deref().unwrap_or_default();
        match image.split(':').next().unwrap_or_default() {
            DEMO_APP => Ok(Program::DemoApp { tcp: ports(container, "TCP"), udp: ports(container, "UDP") }),
            CLIENT => Ok(Program::Client),
            _ => Err(format!("the box has no image '{image}': it has {DEMO_APP} and {CLIENT}")),
        }
    }

    /// The arguments of `postern-cluster` that run it.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args = vec!["pod".to_owned()];
        match self {
            Program::DemoApp { tcp, udp } => {
                args.push("demo-app".to_owned());
                args.extend(tcp.iter().map(|port| format!("--tcp={port}")));
                args.extend(udp.iter().map(|port| format!("--udp={port}")));
            }
            Program::Client | Program::Elsewhere => args.push("client".to_owned()),
        }
        args
    }

    /// The TCP ports on which it listens once it is ready.
    pub(crate) fn listens_on(&self) -> &[u16] {
        match self {
            Program::DemoApp { tcp, .. } => tcp,
            Program::Client | Program::Elsewhere => &[],
        }
    }
}

fn ports(container: &Container, protocol: &str) -> Vec<u16> {
    let declared = container.ports.as_deref().unwrap_or_default();
    let ports: Vec<u16> = declared
        .iter()
        .filter(|port| port.protocol.as_deref().unwrap_or("TCP") == protocol)
        // The API server has checked the range.
        .filter_map(|port| u16::try_from(port.container_port).ok())
        .collect();
    if ports.is_empty() && protocol == "TCP" { vec![HTTP] } else { ports }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[test]
    fn an_image_names_a_program_and_its_ports() {
        let app = pod(&json!({"containers": [{"name": "a", "image": "postern.dev/demo-app:v1", "ports": [
            {"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]}]}));
        assert_eq!(Program::of(&app), Ok(Program::DemoApp { tcp: vec![8080], udp: vec![53] }));
        let bare = pod(&json!({"containers": [{"name": "a", "image": DEMO_APP}]}));
        assert_eq!(Program::of(&bare).unwrap().args(), ["pod", "demo-app", "--tcp=80"]);
        let host = pod(&json!({"hostNetwork": true, "containers": [{"name": "a", "image": "x"}]}));
        assert_eq!(Program::of(&host), Ok(Program::Elsewhere));
    }

    #[test]
    fn another_image_is_refused_by_name() {
        let other = pod(&json!({"containers": [{"name": "a", "image": "nginx"}]}));
        assert!(Program::of(&other).unwrap_err().contains("'nginx'"));
    }
}
