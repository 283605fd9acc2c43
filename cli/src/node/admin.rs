//! The node's admin listener.

use std::net::SocketAddr;

use anyhow::Context;
use postern_node::agent::NodeStatus;
use postern_ops::{Page, Registry, Sample, SampleValue, serve_admin};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What is counted, as it was when it was last looked at.
pub(super) type Samples = watch::Receiver<Vec<Sample>>;

/// Takes the address.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for --admin"))
}

/// Serves in the background of this runtime.
pub(super) fn serve(
    listener: TcpListener,
    status: watch::Receiver<NodeStatus>,
    samples: Samples,
) -> anyhow::Result<()> {
    tracing::info!(admin = %listener.local_addr()?, "metrics, health and status");
    let mut registry = Registry::new();
    let gauges = status.clone();
    registry.source(move || {
        let status = gauges.borrow();
        let gauge = |name: &str, value: usize| Sample {
            name: format!("postern_node_{name}"),
            labels: Vec::new(),
            value: SampleValue::Gauge(i64::try_from(value).unwrap_or(i64::MAX)),
        };
        vec![
            gauge("endpoints", status.endpoints.len()),
            gauge("endpoints_enforced", status.endpoints.iter().filter(|endpoint| endpoint.enforced).count()),
            gauge("identity_prefixes", status.identities),
            gauge("services", status.services),
            gauge("quarantined_rules", status.quarantined.len()),
            gauge("problems", status.problems.len()),
        ]
    });
    registry.source(move || samples.borrow().clone());
    let registry = std::sync::Arc::new(registry);
    tokio::spawn(async move {
        let page = move |path: &str| match path {
            "/metrics" => Some(Page::metrics(&registry)),
            "/healthz" => Some(Page::probe(Ok("live"))),
            "/readyz" => Some(Page::probe(ready(&status.borrow()))),
            "/status" => Some(Page::json(json(&status.borrow()))),
            _ => None,
        };
        match serve_admin(listener, "expected /metrics, /healthz, /readyz or /status", page).await {}
    });
    Ok(())
}

fn ready(status: &NodeStatus) -> Result<&'static str, &'static str> {
    match status {
        NodeStatus { applied: false, .. } => Err("no policy has been applied yet"),
        NodeStatus { problems, .. } if !problems.is_empty() => Err("not everything is enforced: see /status"),
        NodeStatus { .. } => Ok("ready"),
    }
}

fn json(status: &NodeStatus) -> String {
    // Strings and numbers only: writing them does not fail.
    serde_json::to_string_pretty(status).unwrap_or_default() + "\n"
}
