//! The HTTPS server around it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use postern_controller_api::crd::CONVERT_PATH;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answer;
use crate::metrics::Conversions;

/// The longest review that is read. An API server sends the objects of a list in pieces of less.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 256;

/// Serves for ever; dropping the future closes everything.
pub async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, count: Conversions) -> Infallible {
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            drop(connections.join_next().await);
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(connection(acceptor.clone(), stream, count.clone()))),
            Err(error) => {
                tracing::warn!(%error, "the webhook cannot accept connections");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, count: Conversions) {
    let stream = match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "webhook: no TLS"),
        Err(_) => return tracing::debug!("webhook: no TLS in time"),
    };
    let service = service_fn(move |request| {
        let count = count.clone();
        async move { Ok::<_, Infallible>(respond(request, &count).await) }
    });
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    http.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "webhook: connection ended");
    }
}

async fn respond(request: Request<Incoming>, count: &Conversions) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => text(StatusCode::OK, "live\n"),
        (&Method::POST, CONVERT_PATH) => convert(request, count).await,
        (_, CONVERT_PATH) => text(StatusCode::METHOD_NOT_ALLOWED, "expected POST\n"),
        _ => text(StatusCode::NOT_FOUND, "expected /convert or /healthz\n"),
    }
}

async fn convert(request: Request<Incoming>, count: &Conversions) -> Response<Full<Bytes>> {
    let body = match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            count.refused.inc();
            tracing::warn!(error, "a conversion review could not be read");
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the review could not be read, or is over 32 MiB\n");
        }
    };
    // A list of policies takes milliseconds to convert, and other connections should not wait for it.
    let (review, converted) = match tokio::task::spawn_blocking(move || answer(&body)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a conversion failed");
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the conversion failed\n");
        }
    };
    if converted {
        count.converted.inc();
    } else {
        count.refused.inc();
        let message = review.response.as_ref().map(|response| response.result.message.as_str());
        tracing::warn!(message, "a conversion was refused");
    }
    match serde_json::to_vec(&review) {
        Ok(body) => {
            let mut response = Response::new(Full::new(Bytes::from(body)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a conversion review could not be written");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written\n")
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
