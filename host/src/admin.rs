//! The admin listener, on the main thread: scraping never competes with traffic for a worker.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_ops::Registry;
use serde_json::{Value, json};

use crate::proxy::Shared;
use crate::status::WorkerStatus;

/// Serves in the background of this thread's runtime.
pub(crate) fn spawn(listener: TcpListener, proxy: SocketAddr, shared: Arc<Shared>) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    drop(tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let shared = shared.clone();
                    let service = service_fn(move |request| {
                        let answer = answer(&request, proxy, &shared);
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
                    // A client that breaks off is no concern of ours.
                    drop(tokio::task::spawn_local(http.serve_connection(TokioIo::new(stream), service)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept connections");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }));
    Ok(())
}

fn answer<B>(request: &Request<B>, proxy: SocketAddr, shared: &Shared) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "expected GET\n".into());
    }
    match request.uri().path() {
        "/metrics" => reply(StatusCode::OK, Registry::CONTENT_TYPE, shared.metrics.registry.encode()),
        "/healthz" if shared.health.is_live() => reply(StatusCode::OK, TEXT, "live\n".into()),
        "/healthz" => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "a worker has ended\n".into()),
        "/readyz" => match not_ready(shared) {
            None => reply(StatusCode::OK, TEXT, "ready\n".into()),
            Some(reason) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason.into()),
        },
        "/config" => reply(StatusCode::OK, "application/json", format!("{:#}\n", config(proxy, shared))),
        _ => {
            let paths = "expected /metrics, /healthz, /readyz or /config\n";
            reply(StatusCode::NOT_FOUND, TEXT, paths.into())
        }
    }
}

fn not_ready(shared: &Shared) -> Option<&'static str> {
    if !shared.health.is_ready() {
        Some("draining, or a worker has ended\n")
    } else if !shared.status.read().is_loaded() {
        Some("no policy is loaded yet; /config tells whether one was refused\n")
    } else {
        None
    }
}

fn config(proxy: SocketAddr, shared: &Shared) -> Value {
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
    json!({
        "listen": proxy.to_string(),
        "upstream": shared.config.upstream.address(),
        "filter": {
            "ready": not_ready(shared).is_none(),
            "workers": workers.into_iter().map(worker).collect::<Vec<_>>(),
        },
    })
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
