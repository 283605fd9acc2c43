//! app1: the tutorial's server.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(super) const PUBLIC: &str = "{ 'val': 'this is public' }\n";
pub(super) const PRIVATE: &str = "{ 'val': 'this is private' }\n";

/// Starts app1 on a port of its own; it serves as long as the runtime lives.
pub(super) async fn start(address: IpAddr) -> anyhow::Result<SocketAddr> {
    serve_on((address, 0).into()).await.with_context(|| {
        format!("cannot listen on {address}: the demo needs the loopback addresses 127.0.10.1 to 127.0.10.3")
    })
}

/// The same on an address of the caller's choice.
pub(super) async fn serve_on(address: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(serve));
            // A client that goes away is nothing to report.
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    Ok(local)
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/public") => (StatusCode::OK, PUBLIC),
        (&Method::GET, "/private") => (StatusCode::OK, PRIVATE),
        _ => (StatusCode::NOT_FOUND, "not found\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}
