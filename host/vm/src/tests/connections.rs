//! Connections and their ends.

use super::guests::{module, obedient};
use super::{Fault, info, request, start};
use crate::{ConnectionInfo, ConnectionOutcome, Direction};

fn from_port(port: u16) -> ConnectionInfo {
    ConnectionInfo::new(([10, 0, 0, 1], port).into(), info().destination(), Direction::Inbound)
}

#[test]
fn the_guest_may_close_a_connection() {
    let mut vm = start(&obedient());
    assert!(matches!(vm.on_connection(from_port(2000)), Ok(ConnectionOutcome::Closed)));
    let open = vm.on_connection(from_port(2001)).unwrap();
    let ConnectionOutcome::Open(connection) = open else { panic!("{open:?}") };
    vm.on_close(connection).unwrap();
}

#[test]
fn a_replaced_instance_is_not_told_of_old_connections() {
    // Traps when it hears of a connection's end.
    let closing = r#"(func (export "proxy_on_downstream_connection_close") (param i32 i32) unreachable)"#;
    let text = obedient();
    let text = format!("{}{closing})", text.trim_end().strip_suffix(')').unwrap());
    let mut vm = start(&text);
    let mut open = || vm.on_connection(from_port(1)).unwrap();
    let (ConnectionOutcome::Open(first), ConnectionOutcome::Open(second)) = (open(), open()) else {
        panic!("closed")
    };
    assert!(matches!(vm.on_close(first), Err(Fault::Trapped(_))));
    request(&mut vm, "/ok").unwrap();
    vm.on_close(second).unwrap();
}

#[test]
fn a_connection_that_is_held_is_a_fault() {
    let holding = module(
        "",
        r#"
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
        "#,
    );
    assert_eq!(start(&holding).on_connection(from_port(1)).unwrap_err(), Fault::Paused);
}
