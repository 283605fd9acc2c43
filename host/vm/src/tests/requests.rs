//! What a guest can learn of a request and do to it.

use std::sync::Arc;

use super::guests::{module, obedient};
use super::{body, compile, headers, info, plugin, request, start};
use crate::{ConnectionInfo, Direction, MetricsStore, RequestOutcome, Vm};

#[test]
fn a_response_is_the_guests() {
    let outcome = request(&mut start(&obedient()), "/r").unwrap();
    let RequestOutcome::Respond(response) = outcome else { panic!("{outcome:?}") };
    assert_eq!(response.status, 403);
    assert_eq!(response.grpc_status, None);
}

#[test]
fn headers_make_the_round_trip_with_any_byte() {
    let mut vm = start(&obedient());
    let mut sent = headers("/h");
    sent.push(b"bytes", &(0..=255).collect::<Vec<u8>>());
    sent.push(b"x-a", b"again");
    let mut seen = sent.clone();
    let outcome = vm.on_request(&Arc::new(info()), &mut seen, true).unwrap();
    assert!(matches!(outcome, RequestOutcome::Continue { changed: true }));
    assert_eq!(seen, sent);
}

#[test]
fn an_edit_comes_back() {
    let mut headers = headers("/a");
    let outcome = start(&obedient()).on_request(&Arc::new(info()), &mut headers, true).unwrap();
    assert!(matches!(outcome, RequestOutcome::Continue { changed: true }));
    assert_eq!(headers.get(b"x-a"), Some(&b":path"[..]));
}

#[test]
fn an_edit_by_the_last_callback_is_told_too() {
    let imports = r#"
        (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))"#;
    let body = r#"
        (data (i32.const 0) "x-a")
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "proxy_on_delete") (param i32)
            (if (call $remove (i32.const 0) (i32.const 0) (i32.const 3)) (then unreachable)))"#;
    let mut headers = headers("/");
    let outcome = start(&module(imports, body)).on_request(&Arc::new(info()), &mut headers, true).unwrap();
    assert_eq!(headers.get(b"x-a"), None);
    assert!(matches!(outcome, RequestOutcome::Continue { changed: true }), "{outcome:?}");
}

#[test]
fn a_reset_is_no_answer() {
    assert!(matches!(request(&mut start(&obedient()), "/z"), Ok(RequestOutcome::Reset)));
}

#[test]
fn properties_are_encoded_as_envoy_does() {
    let mut vm = start(&obedient());
    let tls = info().with_mtls(Some("spiffe://a/b")).with_server_name("name");
    let outbound = ConnectionInfo::new(info().source(), info().destination(), Direction::Outbound);
    let mut check = |info: &ConnectionInfo, path: &str, expected: Option<&[u8]>| {
        let mut headers = headers("/q");
        headers.push(b"property", path.replace('.', "\0").as_bytes());
        let outcome = vm.on_request(&Arc::new(info.clone()), &mut headers, true);
        let Ok(RequestOutcome::Respond(response)) = outcome else { panic!("{path}: {outcome:?}") };
        let value = (response.status == 200).then_some(&response.body[..]);
        assert_eq!(value, expected, "{path}");
    };
    check(&tls, "source.address", Some(b"10.0.0.2:4000"));
    check(&tls, "source.port", Some(&4000_i64.to_le_bytes()));
    check(&tls, "destination.address", Some(b"[fd00::1]:80"));
    check(&tls, "destination.port", Some(&80_i64.to_le_bytes()));
    check(&tls, "connection.mtls", Some(&[1]));
    check(&tls, "connection.uri_san_peer_certificate", Some(b"spiffe://a/b"));
    check(&tls, "connection.requested_server_name", Some(b"name"));
    check(&tls, "xds.listener_direction", Some(&1_i64.to_le_bytes()));
    check(&tls, "request.path", Some(b"/q"));
    check(&tls, "request.host", Some(b"host"));
    check(&tls, "plugin_name", Some(b"test"));
    check(&tls, "plugin_root_id", Some(b"http"));
    check(&tls, "plugin_vm_id", Some(b"vm"));
    check(&outbound, "xds.listener_direction", Some(&2_i64.to_le_bytes()));
    let both = ConnectionInfo::new(info().source(), info().destination(), Direction::Unspecified);
    check(&both, "xds.listener_direction", Some(&0_i64.to_le_bytes()));
    check(&outbound, "connection.mtls", Some(&[0]));
    check(&outbound, "connection.uri_san_peer_certificate", None);
    for absent in ["", "source", "source.address.x", "request.scheme", "node", "upstream.address"] {
        check(&outbound, absent, None);
    }
}

#[test]
fn metrics_add_up_over_vms() {
    let module = compile(&obedient()).unwrap();
    let metrics = Arc::new(MetricsStore::new());
    for _ in 0..2 {
        let mut vm = Vm::new(&module, plugin(), metrics.clone()).unwrap();
        request(&mut vm, "/n").unwrap();
        request(&mut vm, "/n").unwrap();
    }
    let samples = metrics.samples();
    assert_eq!((samples[0].name.as_str(), samples[0].value), ("hits", 8));
    assert_eq!(body(request(&mut start(&obedient()), "/r")), b"\0");
}
