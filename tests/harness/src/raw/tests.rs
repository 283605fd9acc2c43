use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::{RawClient, RawConnection, RawOutcome, Request};
use crate::ports::Reserved;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 21));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 22));
const SOON: Duration = Duration::from_secs(10);

/// A server for one connection: reads the first request, answers with `parts`, and closes.
fn answering(parts: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind((SERVER, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), CLIENT);
        let _ = stream.read(&mut [0; 1024]).unwrap();
        for part in parts {
            stream.write_all(part).unwrap();
            stream.flush().unwrap();
        }
    });
    addr
}

fn ask(parts: &'static [&'static [u8]]) -> RawOutcome {
    let request = Request::new("GET", "/").header("host", "a").to_bytes();
    RawClient::request(CLIENT, answering(parts), &request, SOON)
}

#[test]
fn a_body_by_length_keeps_odd_header_bytes() {
    let outcome = ask(&[b"HTTP/1.1 200 OK\r\nX-Odd:  \xff\xfe \r\ncontent-", b"length: 5\r\n\r\nhe", b"llo"]);
    assert_eq!((outcome.status(), outcome.body()), (Some(200), b"hello".as_slice()));
    assert_eq!(outcome.header("x-odd"), Some([0xff, 0xfe].as_slice()));
}

#[test]
fn a_chunked_body_is_put_together() {
    let outcome = ask(&[
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;x=1\r\nWiki\r\n",
        b"5\r\npedia\r\n0\r\ntrailer: 1\r\n\r\n",
    ]);
    assert_eq!(outcome.body(), b"Wikipedia");
}

#[test]
fn a_body_to_the_end_and_an_interim_response() {
    let outcome =
        ask(&[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 403 Forbidden\r\n\r\nAccess", b" denied\r\n"]);
    assert_eq!((outcome.status(), outcome.body()), (Some(403), b"Access denied\r\n".as_slice()));
}

#[test]
fn a_response_cut_short_is_broken() {
    let outcome = ask(&[b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhe"]);
    assert!(matches!(outcome, RawOutcome::Broken { .. }), "{outcome:?}");
    let outcome = ask(&[b"SSH-2.0-server\r\n"]);
    assert!(matches!(outcome, RawOutcome::Broken { .. }), "{outcome:?}");
}

#[test]
fn no_byte_at_all_is_closed() {
    let outcome = ask(&[]);
    assert!(outcome.is_unanswered(), "{outcome:?}");
}

#[test]
fn nobody_listening_is_refused_and_silence_is_a_timeout() {
    let reserved = Reserved::on(SERVER).unwrap();
    assert_eq!(RawClient::request(CLIENT, reserved.addr(), b"", SOON), RawOutcome::Refused);
    let silent = TcpListener::bind((SERVER, 0)).unwrap();
    let outcome = RawClient::request(CLIENT, silent.local_addr().unwrap(), b"", Duration::from_millis(20));
    assert_eq!(outcome, RawOutcome::Timeout);
}

#[test]
fn responses_on_one_connection_are_told_apart() {
    const TWO: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 204 No Content\r\n\r\n"];
    let mut connection = RawConnection::open(CLIENT, answering(TWO), SOON).unwrap();
    assert_eq!(connection.send(b"both", SOON).body(), b"a");
    assert_eq!(connection.receive(false, SOON).status(), Some(204));
    assert!(connection.receive(false, SOON).is_unanswered());
}

#[test]
fn a_request_is_written_byte_for_byte() {
    let request = Request::new("POST", b"/a%2f\xff").header("host", "a").header(b"x", b"\xfe").body("hi");
    assert_eq!(
        request.to_bytes(),
        b"POST /a%2f\xff HTTP/1.1\r\nhost: a\r\nx: \xfe\r\ncontent-length: 2\r\n\r\nhi"
    );
}
