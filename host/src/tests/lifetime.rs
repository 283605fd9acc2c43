//! Start and end.

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::world::{Echo, Running, body, config, http1, read};
use crate::{Protocol, Proxy, ProxyError};

fn bind(config: crate::ProxyConfig) -> Result<Proxy, ProxyError> {
    Proxy::bind(config, watch::channel(Bytes::new()).1)
}

#[test]
fn a_busy_port_is_an_error_that_says_so() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(busy.local_addr().unwrap(), Protocol::Http1);
    config.listen = busy.local_addr().unwrap();
    let Err(error) = bind(config.clone()) else { panic!("bound twice") };
    let expected = format!("cannot listen on {}: address already in use; ", config.listen);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_bad_module_is_an_error() {
    let mut config = config("127.0.0.1:1".parse().unwrap(), Protocol::Http1);
    config.module = b"not wasm".as_slice().into();
    assert!(matches!(bind(config), Err(ProxyError::Module(_))));
}

#[tokio::test]
async fn draining_lets_open_requests_end() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.limits.drain = std::time::Duration::from_secs(60);
    let mut proxy = Running::start(config).await;
    let mut client = http1(proxy.address).await;
    let request = Request::post("/held").header("host", "app").body(body("late")).unwrap();
    let held = tokio::spawn(client.send_request(request));
    echo.arrived.acquire().await.unwrap().forget();

    proxy.begin_stop();
    // The listener is closed soon, while the request is still open.
    while TcpStream::connect(proxy.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    echo.release.add_permits(1);
    let response = held.await.unwrap().unwrap();
    assert_eq!(read(response).await, (200.try_into().unwrap(), "late".into()));
    proxy.join().unwrap();
}

#[tokio::test]
async fn draining_ends_in_time() {
    let echo = Echo::start().await;
    let mut config = config(echo.address, Protocol::Http1);
    config.limits.drain = std::time::Duration::from_millis(20);
    let proxy = Running::start(config).await;
    let mut client = http1(proxy.address).await;
    let request = Request::post("/held").header("host", "app").body(body("")).unwrap();
    let held = tokio::spawn(client.send_request(request));
    echo.arrived.acquire().await.unwrap().forget();
    proxy.join().unwrap();
    held.await.unwrap().unwrap_err();
}
