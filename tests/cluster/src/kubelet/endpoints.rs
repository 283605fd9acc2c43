//! Services: their endpoints, and what their addresses stand for.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Endpoints, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::pass::MANAGER;
use super::pods;
use crate::services::{Frontend, Protocol, Services};

/// Writes the endpoints of every service that selects pods.
pub(super) async fn publish(client: &Client, services: &[Service], pods: &[Pod]) -> Result<()> {
    for service in services.iter().filter(|service| selects(service)) {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        let api: Api<Endpoints> = Api::namespaced(client.clone(), &namespace);
        let subsets = subsets(service, pods);
        let known = api.get_opt(&name).await.context("cannot read endpoints")?;
        if known.is_some_and(|known| {
            json!(known.subsets) == subsets || (known.subsets.is_none() && subsets == json!([]))
        }) {
            continue;
        }
        let object = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": name, "namespace": namespace},
            "subsets": subsets,
        });
        let apply = PatchParams::apply(MANAGER).force();
        api.patch(&name, &apply, &Patch::Apply(object))
            .await
            .with_context(|| format!("cannot write the endpoints of {namespace}/{name}"))?;
    }
    Ok(())
}

/// What the addresses of all services stand for.
pub(super) fn table(services: &[Service], pods: &[Pod]) -> Services {
    let mut table = Services::new();
    for service in services.iter().filter(|service| selects(service)) {
        let spec = service.spec.as_ref();
        let addresses = spec.and_then(|spec| spec.cluster_ips.clone()).unwrap_or_default();
        // `None` stands there for a service that has no address.
        let addresses = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        for address in addresses {
            for port in ports(service) {
                let Some(frontend) = frontend(address, port) else { continue };
                let backends = backends(service, pods).into_iter().filter_map(|pod| {
                    let ip = addresses_of(pod).into_iter().find(|ip| ip.is_ipv4() == address.is_ipv4())?;
                    Some(SocketAddr::new(ip, target(port, pod)?))
                });
                table.insert(frontend, backends.collect());
            }
        }
    }
    table
}

fn selects(service: &Service) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector.is_some_and(|selector| !selector.is_empty())
}

fn ports(service: &Service) -> &[ServicePort] {
    service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
}

fn frontend(address: IpAddr, port: &ServicePort) -> Option<Frontend> {
    let protocol = match port.protocol.as_deref().unwrap_or("TCP") {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        // The box's pods speak no other.
        _ => return None,
    };
    Some(Frontend { address, protocol, port: u16::try_from(port.port).ok()? })
}

/// The pods behind a service, in the order of their names.
fn backends<'a>(service: &Service, pods: &'a [Pod]) -> Vec<&'a Pod> {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let chosen = |pod: &&Pod| {
        pod.namespace() == service.namespace()
            && selector.into_iter().flatten().all(|(key, value)| pod.labels().get(key) == Some(value))
            && pod.metadata.deletion_timestamp.is_none()
            && pods::is_ready(pod)
    };
    let mut chosen: Vec<&Pod> = pods.iter().filter(chosen).collect();
    chosen.sort_by_key(|pod| pod.name_any());
    chosen
}

fn addresses_of(pod: &Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else { return Vec::new() };
    let all = status.pod_ips.iter().flatten().map(|entry| &entry.ip);
    let mut parsed: Vec<IpAddr> = all.filter_map(|ip| ip.parse().ok()).collect();
    if parsed.is_empty() {
        parsed.extend(status.pod_ip.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()));
    }
    parsed
}

/// The port of the pod that a service's port leads to.
fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut declared = containers.flat_map(|container| container.ports.iter().flatten());
            declared.find(|declared| declared.name.as_ref() == Some(name))?.container_port
        }
    };
    u16::try_from(number).ok()
}

fn subsets(service: &Service, pods: &[Pod]) -> Value {
    let v4 = |pod: &Pod| addresses_of(pod).into_iter().find(IpAddr::is_ipv4);
    let chosen = backends(service, pods);
    let addresses: Vec<Value> = chosen
        .iter()
        .filter_map(|pod| {
            Some(json!({
                "ip": v4(pod)?,
                "nodeName": pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()),
                "targetRef": {"kind": "Pod", "name": pod.name_any(), "namespace": pod.namespace(), "uid": pod.uid()},
            }))
        })
        .collect();
    let port = |port: &ServicePort| {
        // Pods that give a named port different numbers would need several subsets; the box has none.
        let number = chosen.first().and_then(|pod| target(port, pod))?;
        let mut value = json!({"port": number, "protocol": port.protocol.as_deref().unwrap_or("TCP")});
        if let (Some(name), Some(fields)) = (&port.name, value.as_object_mut()) {
            fields.insert("name".to_owned(), json!(name));
        }
        Some(value)
    };
    let ports: Vec<Value> = ports(service).iter().filter_map(port).collect();
    if addresses.is_empty() { json!([]) } else { json!([{"addresses": addresses, "ports": ports}]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"clusterIPs": ["10.0.0.1", "fd00::1"], "selector": {"id": "app1"},
                     "ports": [{"port": 80, "targetPort": "http"}]},
        }))
        .unwrap()
    }

    fn pod(name: &str, ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "default", "labels": {"id": "app1"}},
            "spec": {"nodeName": "node1", "containers": [
                {"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}, {"ip": "fd01::1"}],
                       "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn an_address_leads_to_the_ready_pods_of_its_family() {
        let table = table(&[service()], &[pod("a", "True"), pod("b", "False")]);
        let text: Vec<String> = table.values().flatten().map(ToString::to_string).collect();
        assert_eq!(text, ["10.1.0.1:8080", "[fd01::1]:8080"]);
    }

    #[test]
    fn endpoints_name_the_pod() {
        let subsets = subsets(&service(), &[pod("a", "True")]);
        assert_eq!(subsets.pointer("/0/addresses/0/targetRef/name"), Some(&json!("a")));
        assert_eq!(subsets.pointer("/0/ports/0/port"), Some(&json!(8080)));
        assert_eq!(super::subsets(&service(), &[]), json!([]));
    }
}
