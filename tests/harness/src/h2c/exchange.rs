//! The exchange itself.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderMap;
use tokio::net::{TcpSocket, TcpStream};

use super::{H2Outcome, H2Response, Request};
use crate::raw::Headers;

/// Either way this is what came of the request; the error is for `?` only.
type Attempt<T> = Result<T, H2Outcome>;

pub(super) async fn exchange(from: IpAddr, to: SocketAddr, request: &Request) -> H2Outcome {
    match attempt(from, to, request).await {
        Ok(response) => H2Outcome::Response(response),
        Err(outcome) => outcome,
    }
}

async fn attempt(from: IpAddr, to: SocketAddr, request: &Request) -> Attempt<H2Response> {
    let head = head(request)?;
    let stream = connect(from, to).await?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|error| failed(&error))?;
    // Both run here: the connection moves the frames while the request waits for them, and the request
    // is what decides, since a server may well close the connection behind a whole response.
    let exchange = send(sender, head, request);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        outcome = &mut exchange => return outcome,
        _ended = connection => {}
    }
    exchange.await
}

async fn send(sender: SendRequest<Bytes>, head: http::Request<()>, request: &Request) -> Attempt<H2Response> {
    let mut sender = sender.ready().await.map_err(|error| failed(&error))?;
    let bodiless = request.body.is_empty();
    let (response, mut body) = sender.send_request(head, bodiless).map_err(|error| failed(&error))?;
    if !bodiless {
        // A server may answer without having taken the body: its answer counts, not this error.
        let _ = body.send_data(Bytes::copy_from_slice(&request.body), true);
    }
    let response = response.await.map_err(|error| failed(&error))?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|error| failed(&error))?;
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend(data);
    }
    let trailers = stream.trailers().await.map_err(|error| failed(&error))?;
    Ok(H2Response {
        status: head.status.as_u16(),
        headers: fields(&head.headers),
        body,
        trailers: trailers.as_ref().map(fields).unwrap_or_default(),
    })
}

async fn connect(from: IpAddr, to: SocketAddr) -> Attempt<TcpStream> {
    let unusable =
        |error: std::io::Error| H2Outcome::Failed(format!("cannot use {from} as the source: {error}"));
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(unusable)?;
    socket.bind(SocketAddr::new(from, 0)).map_err(unusable)?;
    socket.connect(to).await.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => H2Outcome::Refused,
        ErrorKind::ConnectionReset => H2Outcome::Closed(error.to_string()),
        _ => H2Outcome::Failed(format!("cannot connect from {from} to {to}: {error}")),
    })
}

fn head(request: &Request) -> Attempt<http::Request<()>> {
    let uri = format!("http://{}{}", request.authority, request.path);
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
    for (name, value) in &request.headers {
        builder = builder.header(name, value.as_slice());
    }
    builder.body(()).map_err(|error| H2Outcome::Failed(format!("not a request that h2 can send: {error}")))
}

fn failed(error: &h2::Error) -> H2Outcome {
    if error.is_reset() {
        H2Outcome::Reset(error.to_string())
    } else if error.is_io() || error.is_go_away() {
        H2Outcome::Closed(error.to_string())
    } else {
        // What h2 says when the connection ends without a word, among others.
        H2Outcome::Closed(format!("the connection broke: {error}"))
    }
}

fn fields(map: &HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
