//! What is reported of a pod.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::subnets::Dual;

/// How a pod's process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// There is no program for it.
    NoImage(String),
    /// It runs and does not answer yet.
    Starting,
    /// It answers.
    Ready,
    /// It has ended.
    Ended(String),
}

/// The status as a merge patch.
pub(super) fn patch(pod: &Pod, state: &State, host: Dual, address: Option<Dual>) -> Value {
    let ready = *state == State::Ready;
    let phase = match state {
        State::NoImage(_) => "Pending",
        State::Starting | State::Ready => "Running",
        State::Ended(_) => "Failed",
    };
    let condition =
        |kind: &str, holds: bool| json!({"type": kind, "status": if holds { "True" } else { "False" }});
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut status = json!({
        "phase": phase,
        "hostIP": host.v4,
        "conditions": [
            condition("PodScheduled", true),
            condition("Initialized", true),
            condition("ContainersReady", ready),
            condition("Ready", ready),
        ],
        "containerStatuses": containers.map(|item| container(item, state)).collect::<Vec<_>>(),
    });
    if let Some(fields) = status.as_object_mut()
        && let Some(address) = address
    {
        let ips = address.both().map(|ip: IpAddr| json!({"ip": ip}));
        fields.insert("podIP".to_owned(), json!(address.v4));
        fields.insert("podIPs".to_owned(), json!(ips));
        fields.insert("startTime".to_owned(), json!(started(pod)));
    }
    json!({"status": status})
}

/// A start is reported once.
fn started(pod: &Pod) -> Value {
    let known = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    known.map_or_else(now, |time| json!(time))
}

/// Whole seconds, as the API has them.
fn now() -> Value {
    json!(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn container(container: &Container, state: &State) -> Value {
    let now = match state {
        State::NoImage(why) => json!({"waiting": {"reason": "ErrImagePull", "message": why}}),
        State::Starting | State::Ready => json!({"running": {"startedAt": now()}}),
        State::Ended(how) => json!({"terminated": {"exitCode": 1, "reason": "Error", "message": how}}),
    };
    let image = container.image.as_deref().unwrap_or_default();
    json!({
        "name": container.name, "image": image, "imageID": "", "restartCount": 0,
        "ready": *state == State::Ready, "started": *state == State::Ready, "state": now,
    })
}
