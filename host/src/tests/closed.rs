//! What is not let through.

use http::Request;

use super::world::{Echo, Running, body, config, read};
use crate::Protocol;

#[tokio::test]
async fn a_denial_is_the_filters_answer() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let answer = proxy.raw("GET /d HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nAccess denied\r\n"), "{answer}");
    assert_eq!(echo.accepted(), 0);
}

#[tokio::test]
async fn a_grpc_client_is_denied_in_its_own_words() {
    let echo = Echo::start().await;
    let proxy = Running::start(config(echo.address, Protocol::Http2)).await;
    let request = Request::post("http://app/d").header("content-type", "application/grpc");
    let response = proxy.http2().await.send_request(request.body(body("")).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(response.headers()["grpc-message"], "Access denied");
    assert_eq!(read(response).await.1, "");
}

#[tokio::test]
async fn a_closed_connection_gets_no_byte() {
    let echo = Echo::start().await;
    let mut proxy = Running::before(&echo).await;
    proxy.configuration.send_replace("closed".into());
    assert!(proxy.status.wait(|worker| worker.accepted == 2).await);
    assert_eq!(proxy.raw("").await, "");
    assert_eq!(proxy.raw("GET / HTTP/1.1\r\nhost: app\r\n\r\n").await, "");
    assert_eq!(echo.accepted(), 0);
    let metrics = proxy.admin("/metrics").await.1;
    assert!(metrics.contains("postern_proxy_connections_total{outcome=\"denied\"} 2\n"), "{metrics}");
}

#[tokio::test]
async fn a_trap_denies_one_request() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    for broken in ["/t", "/b"] {
        let (status, text) = proxy.get(broken).await;
        assert_eq!(status, 503, "{broken}");
        assert_eq!(text, "policy filter failed; the request was not let through\r\n");
        assert_eq!(proxy.get("/ok").await.0, 200);
    }
    let metrics = proxy.admin("/metrics").await.1;
    assert!(metrics.contains("postern_proxy_filter_faults_total 2\n"), "{metrics}");
}

#[tokio::test]
async fn a_request_has_one_host() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        "GET http://a/ HTTP/1.1\r\nhost: b\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n",
    ] {
        let answer = proxy.raw(&format!("{request}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}{answer}");
        assert!(answer.contains("bad request: "), "{answer}");
    }
    assert_eq!(echo.accepted(), 0);
}

#[tokio::test]
async fn connect_is_not_there_yet() {
    let echo = Echo::start().await;
    let proxy = Running::before(&echo).await;
    let answer = proxy.raw("CONNECT app:443 HTTP/1.1\r\nhost: app:443\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    assert!(answer.ends_with("CONNECT is not supported by this proxy yet\r\n"), "{answer}");
}

#[tokio::test]
async fn an_absent_upstream_is_a_bad_gateway() {
    // Bound and dropped: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Running::start(config(free, Protocol::Http1)).await;
    assert_eq!(proxy.get("/ok").await, (502.try_into().unwrap(), "upstream unavailable\r\n".into()));
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_timeout() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.limits.response = std::time::Duration::from_millis(50);
    let proxy = Running::start(config).await;
    assert_eq!(proxy.get("/held").await, (504.try_into().unwrap(), "upstream timeout\r\n".into()));
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.limits.header_read = std::time::Duration::from_millis(50);
    let proxy = Running::start(config).await;
    // Only a part of HTTP/2's preface: hyper cannot tell the version yet.
    assert_eq!(proxy.raw("PRI").await, "");
}
