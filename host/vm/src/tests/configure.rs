//! The last good configuration stays.

use super::guests::{module, obedient};
use super::{Fault, body, request, start};
use crate::ConfigureError;

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut vm = start(&obedient());
    assert_eq!(body(request(&mut vm, "/r")), b"\0");
    vm.configure("a".into()).unwrap();
    let refused = vm.configure("x".into()).unwrap_err();
    assert_eq!(refused, ConfigureError::Refused { reason: "no such policy".into() });
    assert_eq!(body(request(&mut vm, "/r")), b"a");
    vm.configure("b".into()).unwrap();
    assert_eq!(body(request(&mut vm, "/r")), b"b");
}

#[test]
fn an_empty_line_is_no_reason() {
    let silent = module(
        r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#,
        r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log (i32.const 4) (i32.const 0) (i32.const 0)))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
        "#,
    );
    let refused = start(&silent).configure("any".into()).unwrap_err();
    assert_eq!(refused, ConfigureError::Refused { reason: "it gave no reason in its log".into() });
}

#[test]
fn a_configuration_that_one_root_refuses_is_undone_in_the_other() {
    let mut vm = start(&obedient());
    vm.configure("a".into()).unwrap();
    assert!(matches!(vm.configure("y".into()), Err(ConfigureError::Refused { .. })));
    assert_eq!(body(request(&mut vm, "/r")), b"a");
}

#[test]
fn a_configuration_that_traps_changes_nothing() {
    let mut vm = start(&obedient());
    vm.configure("a".into()).unwrap();
    assert!(matches!(vm.configure("t".into()), Err(ConfigureError::Fault(Fault::Trapped(_)))));
    assert_eq!(body(request(&mut vm, "/r")), b"a");
    // Also with no instance left to fall back to.
    request(&mut vm, "/t").unwrap_err();
    assert!(matches!(vm.configure("x".into()), Err(ConfigureError::Refused { .. })));
    assert_eq!(body(request(&mut vm, "/r")), b"a");
}

#[test]
fn a_guest_that_wants_a_configuration_denies_without_one() {
    let picky = module(
        "",
        r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (local.get 1))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
        "#,
    );
    let mut vm = start(&picky);
    assert_eq!(request(&mut vm, "/").unwrap_err(), Fault::NotConfigured);
    vm.configure("any".into()).unwrap();
    request(&mut vm, "/").unwrap();
}
