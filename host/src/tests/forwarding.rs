//! What is let through, and in what form.

use http::{Request, Version};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{Echo, Running, body, config, http1, read, with_trailers};
use crate::Protocol;

#[tokio::test]
async fn bodies_go_both_ways_on_connections_that_are_kept() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let mut client = http1(proxy.address).await;
    for _ in 0..5 {
        client.ready().await.unwrap();
        let request = Request::post("/a?b=c").header("host", "app:80").body(body("hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.headers()["x-path"], "/a?b=c");
        assert_eq!(response.headers()["got-host"], "app:80");
        assert_eq!(response.headers()["got-x-forwarded-for"], "127.0.0.1");
        assert_eq!(read(response).await, (200.try_into().unwrap(), "hello".into()));
    }
    assert_eq!(echo.accepted(), 1);
}

#[tokio::test]
async fn hop_by_hop_headers_stay_on_their_hop() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let mut client = http1(proxy.address).await;
    let request = Request::get("/")
        .header("host", "app")
        .header("connection", "x-mine, keep-alive")
        .header("x-mine", "1")
        .header("x-other", "2")
        .header("te", "trailers")
        .header("upgrade", "h2c");
    let response = client.send_request(request.body(body("")).unwrap()).await.unwrap();
    let headers = response.headers();
    assert_eq!(headers["got-x-other"], "2");
    for gone in ["got-x-mine", "got-connection", "got-te", "got-upgrade", "x-secret"] {
        assert!(!headers.contains_key(gone), "{gone} in {headers:?}");
    }
}

#[tokio::test]
async fn http2_passes_with_trailers() {
    let echo = Echo::start().await;
    let proxy = Running::start(config(echo.address, Protocol::Http2)).await;
    let mut client = proxy.http2().await;
    for _ in 0..3 {
        let request = Request::post("http://app:80/echo").header("te", "trailers");
        let request = request.version(Version::HTTP_2).body(with_trailers("streamed")).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.headers()["x-authority"], "app:80");
        assert_eq!(response.headers()["got-te"], "trailers");
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["sum"], "7");
        assert_eq!(collected.to_bytes(), "streamed");
    }
    assert_eq!(echo.accepted(), 1);
}

#[tokio::test]
async fn http2_clients_reach_http1_upstreams() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let request = Request::post("http://app/x").header("cookie", "a=1").header("cookie", "b=2");
    let response = proxy.http2().await.send_request(request.body(body("up")).unwrap()).await.unwrap();
    assert_eq!(response.headers()["got-host"], "app");
    assert_eq!(response.headers()["got-cookie"], "a=1; b=2");
    assert_eq!(read(response).await.1, "up");
}

#[tokio::test]
async fn the_filter_may_rewrite() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let mut client = http1(proxy.address).await;
    let request = Request::post("/w").header("host", "app").body(body("kept")).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.headers()["x-path"], "/written?b");
    assert_eq!(read(response).await.1, "kept");
}

#[tokio::test]
async fn a_websocket_passes_once_it_is_allowed() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let handshake = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: app\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\r\n")
    };
    let mut stream = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(handshake("/chat").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    for byte in [1, 7] {
        stream.write_u8(byte).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), byte + 1);
    }
    let denied = proxy.raw(&handshake("/d").replace("Upgrade\r", "Upgrade, close\r")).await;
    assert!(denied.starts_with("HTTP/1.1 403 "), "{denied}");
}
