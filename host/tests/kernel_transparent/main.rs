//! The transparent proxy between network namespaces. Needs root.
//!
//! What the node's own programs will do is done here by routing rules and a socket lookup program of 22 instructions:
//! everything else is the proxy's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(unsafe_code, reason = "namespaces and kernel programs are system calls")]

mod netns;
mod server;
mod sk_lookup;
mod world;

use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use world::{World, connect};

const CLIENT: &str = "10.9.1.2";
const OTHER_CLIENT: &str = "10.9.1.3";
const SERVER: &str = "10.9.2.2:80";
const OTHER_SERVER: &str = "10.9.2.3:80";
const CLIENT6: &str = "fd09:1::2";
const SERVER6: &str = "[fd09:2::2]:80";

#[test]
fn neither_end_sees_the_proxy() {
    let world = World::new();
    for (client, server) in [(CLIENT, SERVER), (CLIENT6, SERVER6)] {
        let request =
            "GET /ok HTTP/1.1\r\nhost: app\r\nx-forwarded-for: 1.1.1.1\r\nconnection: close\r\n\r\n";
        let answer = world.send(client, server, request);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        // As the client sent it, and nothing added.
        assert!(answer.ends_with(" HTTP/1.1 /ok forwarded=[\"1.1.1.1\"]"), "{answer}");
        let seen = *world.server.accepted().last().unwrap();
        assert_eq!(seen.peer.ip().to_string(), client);
        assert_eq!(seen.local.to_string(), server);
    }
}

#[test]
fn what_the_filter_denies_does_not_arrive() {
    let world = World::new();
    for (client, server) in [(CLIENT, SERVER), (CLIENT6, SERVER6)] {
        let answer = world.get(client, server, "/denied");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.ends_with("Access denied\r\n"), "{answer}");
    }
    let answer = world.send(CLIENT, SERVER, "\x16\x03\x01 not http\r\n\r\n");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(world.server.accepted().is_empty());
}

#[test]
fn connections_are_kept_for_their_client_and_their_server() {
    let world = World::new();
    for _ in 0..3 {
        for client in [CLIENT, OTHER_CLIENT] {
            for server in [SERVER, OTHER_SERVER] {
                let answer = world.get(client, server, "/ok");
                // Each answer came on a connection of its own client.
                assert!(answer.contains(&format!("\r\n\r\n{client}:")), "{client} {server}: {answer}");
            }
        }
    }
    let mut accepted: Vec<_> = world.server.accepted();
    accepted.sort_by_key(|accepted| (accepted.peer.ip(), accepted.local));
    let accepted: Vec<_> = accepted
        .iter()
        .map(|accepted| (accepted.peer.ip().to_string(), accepted.local.to_string()))
        .collect();
    let expected =
        [(CLIENT, SERVER), (CLIENT, OTHER_SERVER), (OTHER_CLIENT, SERVER), (OTHER_CLIENT, OTHER_SERVER)];
    assert_eq!(accepted, expected.map(|(client, server)| (client.to_owned(), server.to_owned())));
}

#[test]
fn the_upstream_is_spoken_to_as_the_client_speaks() {
    let world = World::new();
    let answers = world.client.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = connect(CLIENT.parse().unwrap(), SERVER.parse().unwrap());
            stream.set_nonblocking(true).unwrap();
            let io = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
            let http2 = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
            let (mut sender, connection) = http2.await.unwrap();
            tokio::spawn(connection);
            let mut answers = Vec::new();
            for path in ["/a", "/b"] {
                let request = Request::get(format!("http://app{path}")).version(Version::HTTP_2);
                let response =
                    sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
                let bytes = response.into_body().collect().await.unwrap().to_bytes();
                answers.push(String::from_utf8(bytes.to_vec()).unwrap());
            }
            answers
        })
    });
    for (answer, path) in answers.iter().zip(["/a", "/b"]) {
        assert!(answer.ends_with(&format!(" HTTP/2.0 {path} forwarded=[]")), "{answer}");
    }
    assert_eq!(world.server.accepted().len(), 1);
    let answer = world.get(CLIENT, SERVER, "/c");
    assert!(answer.ends_with(" HTTP/1.1 /c forwarded=[]"), "{answer}");
    assert_eq!(world.server.accepted().len(), 2);
}

#[test]
fn a_connection_to_the_proxy_itself_is_closed() {
    let world = World::new();
    assert_eq!(world.listeners.len(), 2);
    for listener in world.listeners.clone() {
        assert!(listener.ip().is_loopback());
        let answer = world.node.run(move || {
            let mut answer = String::new();
            let mut stream = connect(listener.ip(), listener);
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            answer
        });
        assert_eq!(answer, "");
    }
    let metrics = world.metrics();
    assert!(metrics.contains("postern_proxy_connections_total{outcome=\"loop\"} 2\n"), "{metrics}");
    assert!(metrics.contains("postern_proxy_connections_total{outcome=\"accepted\"} 0\n"), "{metrics}");
}

#[test]
fn an_absent_server_is_a_bad_gateway() {
    let mut world = World::new();
    world.server.stop();
    for (client, server) in [(CLIENT, SERVER), (CLIENT6, SERVER6)] {
        let answer = world.get(client, server, "/ok");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[test]
fn the_kernel_lets_go_of_a_proxy_that_stops() {
    let mut world = World::new();
    assert!(world.lookup.holds(0) && world.lookup.holds(1));
    world.stop();
    assert!(!world.lookup.holds(0) && !world.lookup.holds(1));
}
