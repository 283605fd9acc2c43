//! Kubernetes objects, as far as policies and services need them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use postern_policy_core::path::{PROFILE_ANNOTATION, Profile, ProfileError, parse_profiles};
use postern_policy_core::port::{PortRange, Protocol};
use postern_policy_core::world::{self, Workload, WorkloadName};
use postern_xds::service::TransportProtocol;

use crate::event::ObjectKey;

/// Why an object is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// An address is none.
    #[error("{field}: {text:?} is not an IP address: it is left out until it is mended")]
    Address {
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// A port is none.
    #[error("{field}: {value} is not a port: expected 1 to 65535")]
    Port {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: i32,
    },
    /// A protocol is none that is known.
    #[error("{field}: there is no protocol {text:?}: expected TCP, UDP or SCTP")]
    Protocol {
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
}

/// The name and uid of an object.
pub(crate) fn identify(metadata: &ObjectMeta) -> (ObjectKey, Option<String>) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let key = ObjectKey { namespace: text(&metadata.namespace), name: text(&metadata.name) };
    (key, metadata.uid.clone())
}

/// A pod that has addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) workload: Workload,
    /// Its addresses are its node's, and so is its identity.
    pub(crate) host_network: bool,
    /// Services may send it traffic.
    pub(crate) ready: bool,
    /// It has not been asked to end.
    pub(crate) stays: bool,
    /// Its named ports.
    pub(crate) ports: Vec<NamedPort>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPort {
    pub(crate) name: String,
    pub(crate) protocol: TransportProtocol,
    pub(crate) port: u16,
}

/// Reads a pod. One without an address, or that has ended and given its addresses back, is nothing. One that is
/// being deleted counts until it is gone: it may still send.
pub(crate) fn pod(pod: &k8s::Pod) -> Result<Option<Pod>, ObjectError> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else { return Ok(None) };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return Ok(None);
    }
    let several = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
    let mut addresses = several
        .chain(status.pod_ip.as_deref())
        .filter(|text| !text.is_empty())
        .map(|text| address("status.podIPs", text))
        .collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Ok(None);
    }
    let (key, _) = identify(&pod.metadata);
    let conditions = status.conditions.iter().flatten();
    let sidecars = spec.init_containers.iter().flatten();
    let containers = spec.containers.iter().chain(sidecars);
    let ports: Vec<NamedPort> = containers.flat_map(named_ports).collect::<Result<_, _>>()?;
    Ok(Some(Pod {
        workload: Workload {
            name: key.workload(),
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            addresses,
            node: spec.node_name.clone().filter(|name| !name.is_empty()),
            service_account: spec.service_account_name.clone().filter(|name| !name.is_empty()),
            cluster: None,
            ports: ports.iter().map(NamedPort::for_policies).collect(),
            profiles: profiles(pod).unwrap_or_default(),
        },
        host_network: spec.host_network.unwrap_or_default(),
        ready: conditions.into_iter().any(|found| found.type_ == "Ready" && found.status == "True"),
        stays: pod.metadata.deletion_timestamp.is_none(),
        ports,
    }))
}

/// How a pod reads paths, by its annotation: where that says nothing, or cannot be read, every port is strict.
pub(crate) fn profiles(pod: &k8s::Pod) -> Result<Vec<(PortRange, Profile)>, ProfileError> {
    let annotation = pod.metadata.annotations.iter().find_map(|given| given.get(PROFILE_ANNOTATION));
    annotation.map_or(Ok(Vec::new()), |text| parse_profiles(text))
}

impl NamedPort {
    fn for_policies(&self) -> world::NamedPort {
        let protocol = match self.protocol {
            TransportProtocol::Tcp => Protocol::Tcp,
            TransportProtocol::Udp => Protocol::Udp,
            TransportProtocol::Sctp => Protocol::Sctp,
        };
        world::NamedPort { name: self.name.clone(), protocol, port: self.port }
    }
}

fn named_ports(container: &k8s::Container) -> impl Iterator<Item = Result<NamedPort, ObjectError>> {
    container.ports.iter().flatten().filter_map(|given| {
        let name = given.name.clone()?;
        let read = || {
            let field = "spec.containers.ports";
            let protocol = protocol(field, given.protocol.as_deref())?;
            Ok(NamedPort { name, protocol, port: port(field, given.container_port)? })
        };
        Some(read())
    })
}

/// The addresses of a node; its other "addresses" are names.
pub(crate) fn node_addresses(node: &k8s::Node) -> Result<Vec<IpAddr>, ObjectError> {
    let given = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    let mut addresses = given
        .filter(|given| ["InternalIP", "ExternalIP"].contains(&given.type_.as_str()))
        .map(|given| address("status.addresses", &given.address))
        .collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// A service with addresses of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) key: ObjectKey,
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) not_ready_too: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServicePort {
    pub(crate) port: u16,
    pub(crate) protocol: TransportProtocol,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u16),
    Named(String),
}

/// Reads a service. One without an address of its own is nothing: names are not resolved here.
pub(crate) fn service(service: &k8s::Service) -> Result<Option<Service>, ObjectError> {
    let Some(spec) = &service.spec else { return Ok(None) };
    let several = spec.cluster_ips.iter().flatten();
    let given = several.chain(&spec.cluster_ip).filter(|text| !text.is_empty() && *text != "None");
    let mut addresses = given.map(|text| address("spec.clusterIPs", text)).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() || spec.type_.as_deref() == Some("ExternalName") {
        return Ok(None);
    }
    let ports = spec.ports.iter().flatten().map(|given| {
        let number = port("spec.ports.port", given.port)?;
        let target = match &given.target_port {
            None | Some(IntOrString::Int(0)) => Target::Number(number),
            Some(IntOrString::Int(target)) => Target::Number(port("spec.ports.targetPort", *target)?),
            Some(IntOrString::String(name)) => Target::Named(name.clone()),
        };
        let protocol = protocol("spec.ports.protocol", given.protocol.as_deref())?;
        Ok(ServicePort { port: number, protocol, target })
    });
    Ok(Some(Service {
        key: identify(&service.metadata).0,
        selector: spec.selector.clone().unwrap_or_default(),
        addresses,
        ports: ports.collect::<Result<_, _>>()?,
        not_ready_too: spec.publish_not_ready_addresses.unwrap_or_default(),
    }))
}

/// A service as policies mean it: who stands behind it, whether it has an address of its own or not.
pub(crate) fn service_of_policies(service: &k8s::Service) -> world::Service {
    let spec = service.spec.as_ref();
    // Whatever such a one selects, it is a name of something else.
    let is_name = spec.is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName"));
    let selector = spec.filter(|_| !is_name).and_then(|spec| spec.selector.clone());
    world::Service {
        name: identify(&service.metadata).0.workload(),
        selector: selector.unwrap_or_default(),
        addresses: Vec::new(),
        labels: service.metadata.labels.clone().unwrap_or_default(),
    }
}

/// Where some of a service's backends are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) service: WorkloadName,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Reads an endpoint slice, backends that are not ready included: they are who they are. One of names, or of no
/// service, is nothing.
pub(crate) fn slice(slice: &discovery::EndpointSlice) -> Result<Option<Slice>, ObjectError> {
    let labels = slice.metadata.labels.as_ref();
    let Some(service) = labels.and_then(|labels| labels.get("kubernetes.io/service-name")) else {
        return Ok(None);
    };
    if slice.address_type == "FQDN" {
        return Ok(None);
    }
    let given = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
    let addresses = given.map(|text| address("endpoints.addresses", text)).collect::<Result<_, _>>()?;
    let (key, _) = identify(&slice.metadata);
    let service = WorkloadName { namespace: key.namespace, name: service.clone() };
    Ok(Some(Slice { service, addresses }))
}

fn address(field: &'static str, text: &str) -> Result<IpAddr, ObjectError> {
    let parsed: Result<IpAddr, _> = text.parse();
    parsed.map(|ip| ip.to_canonical()).map_err(|_| ObjectError::Address { field, text: text.to_owned() })
}

fn port(field: &'static str, value: i32) -> Result<u16, ObjectError> {
    u16::try_from(value).ok().filter(|port| *port != 0).ok_or(ObjectError::Port { field, value })
}

fn protocol(field: &'static str, text: Option<&str>) -> Result<TransportProtocol, ObjectError> {
    match text {
        None | Some("" | "TCP") => Ok(TransportProtocol::Tcp),
        Some("UDP") => Ok(TransportProtocol::Udp),
        Some("SCTP") => Ok(TransportProtocol::Sctp),
        Some(other) => Err(ObjectError::Protocol { field, text: other.to_owned() }),
    }
}
