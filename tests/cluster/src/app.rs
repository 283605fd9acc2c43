//! What runs in pods.

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddr};
use std::thread;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, UdpSocket};

const PUBLIC: &str = "{ 'val': 'this is public' }\n";
const PRIVATE: &str = "{ 'val': 'this is private' }\n";

/// Does nothing until it is killed.
pub(crate) fn idle() -> ! {
    loop {
        thread::park();
    }
}

/// The tutorial's server on these TCP ports, and an echo on these UDP ports, for as long as the process
/// lives. Each request is a line on standard output: method, path, client.
pub(crate) fn serve(tcp: &[u16], udp: &[u16]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start a runtime")?.block_on(async {
        // `::` takes IPv4 as well.
        for port in udp {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)).await;
            tokio::spawn(echo(socket.with_context(|| format!("cannot open UDP port {port}"))?));
        }
        for port in tcp {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).await;
            tokio::spawn(accept(listener.with_context(|| format!("cannot listen on port {port}"))?));
        }
        std::future::pending().await
    })
}

async fn echo(socket: UdpSocket) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        // Errors are those of earlier answers that could not be delivered.
        if let Ok((length, peer)) = socket.recv_from(&mut buffer).await
            && let Some(data) = buffer.get(..length)
        {
            let _ = socket.send_to(data, peer).await;
        }
    }
}

async fn accept(listener: TcpListener) {
    loop {
        // A client that was gone before it was accepted is nothing to report.
        let Ok((stream, peer)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, peer)) });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
    let client = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    println!("{} {} {client}", request.method(), request.uri().path());
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/public") => (StatusCode::OK, PUBLIC.to_owned()),
        (&Method::GET, "/private") => (StatusCode::OK, PRIVATE.to_owned()),
        (&Method::GET, "/client") => (StatusCode::OK, format!("{}\n", client.ip())),
        _ => (StatusCode::NOT_FOUND, "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}
