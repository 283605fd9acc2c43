//! The admin listener, on the main thread: scraping never competes with traffic for a worker.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use postern_ops::{Page, serve_admin};
use serde_json::{Value, json};

use crate::config::Upstream;
use crate::proxy::Shared;
use crate::status::WorkerStatus;

/// Serves in the background of this thread's runtime.
pub(crate) fn spawn(listener: TcpListener, shared: Arc<Shared>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let expected = "expected /metrics, /healthz, /readyz or /config";
    drop(tokio::task::spawn_local(serve_admin(listener, expected, move |path| page(path, &shared))));
    Ok(())
}

fn page(path: &str, shared: &Shared) -> Option<Page> {
    match path {
        "/metrics" => Some(Page::metrics(&shared.metrics.registry)),
        "/healthz" if shared.health.is_live() => Some(Page::probe(Ok("live"))),
        "/healthz" => Some(Page::probe(Err("a worker has ended"))),
        "/readyz" => Some(Page::probe(not_ready(shared).map_or(Ok("ready"), Err))),
        "/config" => Some(Page::json(format!("{:#}\n", config(shared)))),
        _ => None,
    }
}

fn not_ready(shared: &Shared) -> Option<&'static str> {
    if !shared.health.is_ready() {
        Some("draining, or a worker has ended")
    } else if !shared.status.read().is_loaded() {
        Some("no policy is loaded yet; /config tells whether one was refused")
    } else {
        None
    }
}

fn config(shared: &Shared) -> Value {
    let worker = |worker: WorkerStatus| {
        json!({
            "loaded": worker.loaded,
            "answered": worker.answered,
            "accepted": worker.accepted,
            "digest": worker.digest.as_deref(),
            "refusal": worker.refusal.as_deref(),
        })
    };
    let workers = shared.status.read().workers();
    let listen: Vec<String> = shared.listeners.iter().map(SocketAddr::to_string).collect();
    let (listen, upstream) = match &shared.config.upstream {
        Upstream::Fixed(upstream) => (listen.concat().into(), upstream.address()),
        Upstream::Original(_) => (Value::from(listen), "original destination"),
    };
    json!({
        "listen": listen,
        "upstream": upstream,
        "filter": {
            "ready": not_ready(shared).is_none(),
            "workers": workers.into_iter().map(worker).collect::<Vec<_>>(),
        },
    })
}
