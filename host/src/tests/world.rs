//! A proxy, an upstream behind it, clients in front.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    ConfigStatus, GuestLimits, Plugin, Protocol, Proxy, ProxyConfig, ProxyError, ProxyLimits, Upstream,
};

/// Does what the first letter of the path says: `d`eny, `t`rap, `w`rite another path, `b`reak the path. Refuses the
/// configuration `x`; closes connections under the configuration `c`, denies every request under `n`.
const GUEST: &str = r#"(module
    (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 16)
    (data (i32.const 0) ":path")
    (data (i32.const 16) "/written?b")
    (data (i32.const 32) "Access denied\0d\0a")
    (data (i32.const 48) "guest_requests")
    (data (i32.const 64) "no such policy")
    (data (i32.const 80) "no path")
    (global $top (mut i32) (i32.const 65536))
    (global $configuration (mut i32) (i32.const 0))
    (func $check (param i32) (if (local.get 0) (then unreachable)))
    (func (export "proxy_abi_version_0_2_0"))
    (func (export "malloc") (param $size i32) (result i32)
        global.get $top
        (global.set $top (i32.add (global.get $top) (local.get $size))))
    (func (export "proxy_on_context_create") (param i32 i32) (global.set $top (i32.const 65536)))
    (func (export "proxy_on_configure") (param i32) (param $size i32) (result i32)
        (local $first i32)
        (if (local.get $size) (then
            (call $check (call $buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 104)))
            (local.set $first (i32.load8_u (i32.load (i32.const 100))))
            (if (i32.eq (local.get $first) (i32.const 0x78)) (then
                (call $check (call $log (i32.const 4) (i32.const 64) (i32.const 14)))
                (return (i32.const 0))))))
        (global.set $configuration (local.get $first))
        (i32.const 1))
    (func (export "proxy_on_new_connection") (param i32) (result i32)
        (if (i32.eq (global.get $configuration) (i32.const 0x63)) (then (call $check (call $close (i32.const 2)))))
        (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (local $do i32)
        (call $check (call $define (i32.const 0) (i32.const 48) (i32.const 14) (i32.const 100)))
        (call $check (call $increment (i32.load (i32.const 100)) (i64.const 1)))
        (if (call $value (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 100) (i32.const 104))
            (then (return (i32.const 0))))
        (local.set $do (i32.load8_u offset=1 (i32.load (i32.const 100))))
        (if (i32.eq (local.get $do) (i32.const 0x74)) (then unreachable))
        (if (i32.eq (local.get $do) (i32.const 0x77)) (then
            (call $check (call $replace (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 10)))))
        (if (i32.eq (local.get $do) (i32.const 0x62)) (then
            (call $check (call $replace (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 80) (i32.const 7)))))
        (if (i32.or (i32.eq (local.get $do) (i32.const 0x64)) (i32.eq (global.get $configuration) (i32.const 0x6e))) (then
            (call $check (call $respond (i32.const 403) (i32.const 0) (i32.const 0)
                (i32.const 32) (i32.const 15) (i32.const 0) (i32.const 0) (i32.const -1)))
            (return (i32.const 1))))
        (i32.const 0)))"#;

pub(super) fn config(upstream: SocketAddr, protocol: Protocol) -> ProxyConfig {
    ProxyConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        upstream: Upstream::new(&upstream.to_string(), protocol).unwrap(),
        workers: 1.try_into().unwrap(),
        admin: Some("127.0.0.1:0".parse().unwrap()),
        destination: None,
        direction: crate::Direction::Inbound,
        plugin: Plugin {
            name: "test".into(),
            vm_id: String::new(),
            connection_root: Some("connections".into()),
            http_root: "requests".into(),
        },
        module: wat::parse_str(GUEST).unwrap().into(),
        module_cache: None,
        guest_limits: GuestLimits::default(),
        // Stopping a proxy blocks the test's thread, and with it the clients that should close.
        limits: ProxyLimits { drain: Duration::from_millis(200), ..ProxyLimits::default() },
    }
}

/// A proxy on a thread of its own; stopped when dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) configuration: watch::Sender<Bytes>,
    pub(super) status: ConfigStatus,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ProxyError>>>,
}

impl Running {
    /// Starts, and waits until every worker has the configuration `open`.
    pub(super) async fn start(config: ProxyConfig) -> Self {
        let (configuration, receiver) = watch::channel(Bytes::from_static(b"open"));
        let proxy = Proxy::bind(config, receiver).unwrap();
        let (stop, stopped) = oneshot::channel();
        let mut running = Self {
            address: proxy.local_addr(),
            admin: proxy.admin_addr().unwrap(),
            configuration,
            status: proxy.config_status(),
            stop: Some(stop),
            thread: Some(std::thread::spawn(move || {
                proxy.run(async {
                    drop(stopped.await);
                })
            })),
        };
        assert!(running.status.wait(|worker| worker.accepted == 1).await);
        running
    }

    pub(super) async fn before(upstream: &Echo) -> Self {
        Self::start(config(upstream.address, Protocol::Http1)).await
    }

    pub(super) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub(super) fn join(mut self) -> Result<(), ProxyError> {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }

    /// Sends bytes on a connection of their own and reads the answer to its end.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, String) {
        fetch(self.address, path).await
    }

    pub(super) async fn admin(&self, path: &str) -> (StatusCode, String) {
        fetch(self.admin, path).await
    }

    pub(super) async fn http2(&self) -> hyper::client::conn::http2::SendRequest<TestBody> {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub(super) type TestBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

pub(super) fn body(text: &'static str) -> TestBody {
    Full::new(Bytes::from_static(text.as_bytes())).boxed()
}

/// A body in two pieces, with trailers.
pub(super) fn with_trailers(text: &'static str) -> TestBody {
    let trailers: HeaderMap =
        [(http::HeaderName::from_static("sum"), HeaderValue::from_static("7"))].into_iter().collect();
    Full::new(Bytes::from_static(text.as_bytes()))
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .boxed()
}

async fn fetch(address: SocketAddr, path: &str) -> (StatusCode, String) {
    let mut sender = http1(address).await;
    let request = Request::get(path).header("host", "app").body(body("")).unwrap();
    let response = sender.send_request(request).await.unwrap();
    read(response).await
}

pub(super) async fn http1(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<TestBody> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

pub(super) async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// An upstream that sends bodies back as they come (trailers too), tells what it got in headers, and answers `/held` only
/// when it is let.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    pub(super) accepted: Arc<AtomicUsize>,
    /// Gets a permit when a `/held` request arrives.
    pub(super) arrived: Arc<Semaphore>,
    /// Give it a permit to let one go.
    pub(super) release: Arc<Semaphore>,
}

impl Echo {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let echo = Self {
            address: listener.local_addr().unwrap(),
            accepted: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            release: Arc::new(Semaphore::new(0)),
        };
        let (accepted, arrived, release) =
            (echo.accepted.clone(), echo.arrived.clone(), echo.release.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (arrived, release) = (arrived.clone(), release.clone());
                let service = service_fn(move |request| answer(request, arrived.clone(), release.clone()));
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    drop(http.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
                });
            }
        });
        echo
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn answer(
    mut request: Request<Incoming>,
    arrived: Arc<Semaphore>,
    release: Arc<Semaphore>,
) -> Result<Response<TestOr>, Infallible> {
    if request.headers().contains_key("upgrade") {
        return Ok(switch(&mut request));
    }
    if request.uri().path() == "/held" {
        arrived.add_permits(1);
        release.acquire().await.unwrap().forget();
    }
    let mut response = Response::builder().header("connection", "x-secret").header("x-secret", "1");
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    response = response.header("x-path", path);
    if let Some(authority) = request.uri().authority() {
        response = response.header("x-authority", authority.as_str());
    }
    for (name, value) in request.headers() {
        response = response.header(format!("got-{name}"), value);
    }
    // HTTP/1.1 sends only the trailers that it has announced.
    let response = response.header("trailer", "sum");
    Ok(response.body(TestOr::Left(request.into_body())).unwrap())
}

type TestOr = http_body_util::Either<Incoming, Full<Bytes>>;

/// Switches to a protocol that answers each byte with the next one.
fn switch(request: &mut Request<Incoming>) -> Response<TestOr> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        while let Ok(byte) = io.read_u8().await {
            io.write_u8(byte + 1).await.unwrap();
        }
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(TestOr::Right(Full::default()))
        .unwrap()
}
