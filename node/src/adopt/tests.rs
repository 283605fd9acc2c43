use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::*;

/// Each test looks into this very process: what another has open for a moment would be found as well.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOPBACK: &str = "127.0.0.1:0";

fn own(address: SocketAddr) -> Result<Adoption, AdoptError> {
    Adoption::new(std::process::id(), &[address], PathBuf::from("/sys/fs/bpf/nobody"))
}

/// The error of registering what this process has at an address.
fn refused(address: SocketAddr) -> String {
    own(address).unwrap().register().unwrap_err().to_string()
}

#[test]
fn a_listener_is_told_from_other_sockets_at_its_address() {
    let _alone = alone();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let _datagrams = UdpSocket::bind(address).unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let _accepted = listener.accept().unwrap();
    // It was found: what is wrong with it is something else.
    assert!(refused(address).contains("is not transparent"), "{}", refused(address));
}

#[test]
fn copies_of_one_listener_are_one() {
    let _alone = alone();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let _copy = listener.try_clone().unwrap();
    assert!(refused(listener.local_addr().unwrap()).contains("is not transparent"));
}

#[test]
fn several_listeners_at_one_address_are_refused() {
    let _alone = alone();
    let socket = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket
    };
    let (first, second) = (socket(), socket());
    first.bind(&LOOPBACK.parse::<SocketAddr>().unwrap().into()).unwrap();
    let address = first.local_addr().unwrap().as_socket().unwrap();
    second.bind(&address.into()).unwrap();
    first.listen(1).unwrap();
    second.listen(1).unwrap();
    assert!(refused(address).contains("has 2 sockets that listen"));
}

#[test]
fn where_nothing_listens_the_error_says_where_something_does() {
    let _alone = alone();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&LOOPBACK.parse::<SocketAddr>().unwrap().into()).unwrap();
    let error = refused(bound.local_addr().unwrap().as_socket().unwrap());
    assert!(error.contains("does not listen at"), "{error}");
    assert!(error.contains(&listener.local_addr().unwrap().to_string()), "{error}");
}

#[test]
fn a_listener_that_was_opened_anew_is_found_again() {
    let _alone = alone();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    let process = Process::open(std::process::id()).unwrap();
    let place = Wanted::new(address).search(&process).unwrap().place;
    let wanted = Wanted { address, place: Some(place) };
    assert_eq!(wanted.take_again(&process).unwrap().unwrap().place, place);
    let copy = listener.try_clone().unwrap();
    drop(listener);
    assert!(wanted.take_again(&process).unwrap().is_none());
    assert_eq!(wanted.search(&process).unwrap().place.inode, place.inode);
    drop(copy);
    assert!(matches!(wanted.search(&process), Err(AdoptError::NoListener { .. })));
}

#[test]
fn one_listener_for_each_family() {
    let _alone = alone();
    let addresses = ["127.0.0.1:1", "[::1]:1", "127.0.0.2:1"].map(|text| text.parse().unwrap());
    let error = Adoption::new(std::process::id(), &addresses, PathBuf::new()).unwrap_err();
    assert!(matches!(error, AdoptError::SameFamily { .. }), "{error}");
}

#[test]
fn the_end_of_a_process_is_seen_and_its_number_means_nobody_then() {
    let _alone = alone();
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let address = LOOPBACK.parse().unwrap();
    let mut adoption = Adoption::new(child.id(), &[address], PathBuf::new()).unwrap();
    assert!(!adoption.wait_for_end(Duration::ZERO).unwrap());
    child.kill().unwrap();
    assert!(adoption.wait_for_end(Duration::from_secs(20)).unwrap());
    child.wait().unwrap();
    for error in
        [adoption.register().unwrap_err(), Adoption::new(child.id(), &[address], PathBuf::new()).unwrap_err()]
    {
        assert_eq!(error.to_string(), format!("there is no process {}", child.id()));
    }
    for nobody in [0, u32::MAX] {
        let error = Adoption::new(nobody, &[address], PathBuf::new()).unwrap_err();
        assert!(matches!(error, AdoptError::NoProcess { .. }), "{error}");
    }
}
