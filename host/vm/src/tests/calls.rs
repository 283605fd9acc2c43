//! Every import, called with nonsense: a status for the guest, never a panic of the host.

use super::guests::module;
use super::{request, start};

/// Every function of ABI 0.2.1: `i` for 32 bits, `l` for 64.
const ENV: [(&str, &str); 36] = [
    ("proxy_log", "iii"),
    ("proxy_get_log_level", "i"),
    ("proxy_get_current_time_nanoseconds", "i"),
    ("proxy_set_tick_period_milliseconds", "i"),
    ("proxy_get_buffer_bytes", "iiiii"),
    ("proxy_get_buffer_status", "iii"),
    ("proxy_set_buffer_bytes", "iiiii"),
    ("proxy_get_header_map_pairs", "iii"),
    ("proxy_set_header_map_pairs", "iii"),
    ("proxy_get_header_map_size", "ii"),
    ("proxy_get_header_map_value", "iiiii"),
    ("proxy_add_header_map_value", "iiiii"),
    ("proxy_replace_header_map_value", "iiiii"),
    ("proxy_remove_header_map_value", "iii"),
    ("proxy_get_property", "iiii"),
    ("proxy_set_property", "iiii"),
    ("proxy_get_shared_data", "iiiii"),
    ("proxy_set_shared_data", "iiiii"),
    ("proxy_register_shared_queue", "iii"),
    ("proxy_resolve_shared_queue", "iiiii"),
    ("proxy_dequeue_shared_queue", "iii"),
    ("proxy_enqueue_shared_queue", "iii"),
    ("proxy_continue_stream", "i"),
    ("proxy_close_stream", "i"),
    ("proxy_send_local_response", "iiiiiiii"),
    ("proxy_http_call", "iiiiiiiiii"),
    ("proxy_grpc_call", "iiiiiiiiiiii"),
    ("proxy_grpc_stream", "iiiiiiiii"),
    ("proxy_grpc_send", "iiii"),
    ("proxy_get_status", "iii"),
    ("proxy_set_effective_context", "i"),
    ("proxy_call_foreign_function", "iiiiii"),
    ("proxy_define_metric", "iiii"),
    ("proxy_get_metric", "ii"),
    ("proxy_record_metric", "il"),
    ("proxy_increment_metric", "il"),
];

const WASI: [(&str, &str); 9] = [
    ("fd_write", "iiii"),
    ("random_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_time_get", "ili"),
    ("clock_res_get", "ii"),
    ("fd_prestat_get", "ii"),
    ("poll_oneoff", "iiii"),
];

/// Outside, across the end, far outside, the last byte, a small number.
const NONSENSE: [i32; 5] = [-16, (16 << 16) - 1, i32::MAX, i32::MIN, 3];

#[test]
fn nonsense_is_answered_with_a_status() {
    let mut imports = String::new();
    let mut calls = String::new();
    let functions = ENV.map(|f| ("env", f)).into_iter().chain(WASI.map(|f| ("wasi_snapshot_preview1", f)));
    for (module, (name, parameters)) in functions {
        let types: String = parameters.chars().map(|p| if p == 'l' { " i64" } else { " i32" }).collect();
        imports += &format!("(import {module:?} {name:?} (func ${name} (param{types}) (result i32)))\n");
        for value in NONSENSE {
            // The first is often a kind; the others only matter when it is a good one.
            for first in [value, 0, 1, 2, 7] {
                calls += &format!("(drop (call ${name}");
                for (position, parameter) in parameters.chars().enumerate() {
                    let value = if position == 0 { first } else { value };
                    calls += &format!(" (i{}.const {value})", if parameter == 'l' { 64 } else { 32 });
                }
                calls += "))\n";
            }
        }
    }
    let body = format!(
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32) {calls} (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {calls} (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32) {calls} (i32.const 1))"#
    );
    let mut vm = start(&module(&imports, &body));
    vm.configure("some bytes".into()).unwrap();
    vm.on_connection(super::info()).unwrap();
    request(&mut vm, "/").unwrap();
    assert_eq!(vm.faults(), 0);
}

#[test]
fn an_allocator_that_lies_is_no_danger() {
    let imports =
        r#"(import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))"#;
    let body = r#"
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.ne (call $pairs (i32.const 0) (i32.const 100) (i32.const 104)) (i32.const STATUS))
                (then unreachable))
            (i32.const 0))"#;
    for (address, status) in [("0", "10"), ("-1", "6"), ("1048575", "6")] {
        let text = module(imports, &body.replace("STATUS", status));
        let text = text.replacen("global.get $top", &format!("(i32.const {address})"), 1);
        request(&mut start(&text), "/").unwrap_or_else(|fault| panic!("{address}: {fault}"));
    }
}

#[test]
fn a_guest_cannot_make_the_host_keep_more_and_more() {
    let imports = r#"
        (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (data (i32.const 64) "x")
        (func $add_most (result i32)
            (call $add (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 900000)))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.ne (call $add_most) (i32.const 0)) (then unreachable))
            (if (i32.ne (call $add_most) (i32.const 2)) (then unreachable))
            ;; One piece of 900,000 bytes: cut in the log, reported as written.
            (i32.store (i32.const 8) (i32.const 0))
            (i32.store (i32.const 12) (i32.const 900000))
            (if (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 32)) (i32.const 900000)) (then unreachable))
            (i32.const 0))"#;
    request(&mut start(&module(imports, body)), "/").unwrap();
}

#[test]
fn an_answer_with_more_headers_than_a_map_holds_is_refused() {
    let imports = r#"
        (import "env" "proxy_send_local_response"
            (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    // So many headers without name and value: their number, then zeros.
    for count in [26_000, 33_000, 104_000] {
        let body = format!(
            r#"
            (func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (i32.store (i32.const 4096) (i32.const {count}))
                (if (i32.ne (i32.const 2) (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0)
                        (i32.const 0) (i32.const 4096) (i32.const {}) (i32.const -1)))
                    (then unreachable))
                (i32.const 0))"#,
            4 + 10 * count
        );
        request(&mut start(&module(imports, &body)), "/").unwrap_or_else(|fault| panic!("{count}: {fault}"));
    }
}
