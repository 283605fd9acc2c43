//! Guests in the text format.

/// A module of these parts, with an allocator that starts again at each context.
pub(super) fn module(imports: &str, functions: &str) -> String {
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 16)
            (global $top (mut i32) (i32.const 65536))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
                global.get $top
                (global.set $top (i32.add (global.get $top) (local.get $size))))
            (func (export "proxy_on_context_create") (param i32 i32)
                (global.set $top (i32.const 65536)))
            {functions})"#
    )
}

/// Does what the first letter of the path says; answers with what it was configured with.
pub(super) fn obedient() -> String {
    module(
        r#"
        (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_send_local_response"
            (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        "#,
        r#"
        (data (i32.const 0) ":path")
        (data (i32.const 16) "property")
        (data (i32.const 32) "x-a")
        (data (i32.const 48) "no such policy")
        (data (i32.const 64) "source\00port")
        (data (i32.const 80) "hits")
        (global $configuration (mut i32) (i32.const 0))

        ;; 100 and 104 take the address and size of replies.
        (func $check (param i32) (if (local.get 0) (then unreachable)))
        (func $header (param $name i32) (param $len i32)
            (call $check (call $value (i32.const 0) (local.get $name) (local.get $len) (i32.const 100) (i32.const 104))))
        (func $answer (param $status i32) (param $body i32) (param $len i32)
            (call $check (call $respond (local.get $status) (i32.const 0) (i32.const 0)
                (local.get $body) (local.get $len) (i32.const 0) (i32.const 0) (i32.const -1))))

        ;; Accepts what does not begin with `x`; traps on `t`.
        (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
            (local $first i32)
            (if (local.get $size) (then
                (call $check (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) (i32.const 100) (i32.const 104)))
                (local.set $first (i32.load8_u (i32.load (i32.const 100))))
                (if (i32.eq (local.get $first) (i32.const 0x78)) (then
                    (call $check (call $log (i32.const 3) (i32.const 48) (i32.const 14)))
                    (return (i32.const 0))))
                ;; `y` is refused by the second root alone.
                (if (i32.and (i32.eq (local.get $first) (i32.const 0x79)) (i32.eq (local.get $root) (i32.const 2)))
                    (then (return (i32.const 0))))
                (if (i32.eq (local.get $first) (i32.const 0x74)) (then unreachable))))
            (global.set $configuration (local.get $first))
            (i32.const 1))

        ;; Closes connections from even ports.
        (func (export "proxy_on_new_connection") (param i32) (result i32)
            (call $check (call $property (i32.const 64) (i32.const 11) (i32.const 100) (i32.const 104)))
            (if (i32.eqz (i32.and (i32.load (i32.load (i32.const 100))) (i32.const 1)))
                (then (call $check (call $close (i32.const 2)))))
            (i32.const 0))

        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (local $do i32)
            (call $header (i32.const 0) (i32.const 5))
            (local.set $do (i32.load8_u offset=1 (i32.load (i32.const 100))))
            (if (i32.eq (local.get $do) (i32.const 0x74)) (then unreachable))                             ;; t
            (if (i32.eq (local.get $do) (i32.const 0x6c)) (then (loop $again (br $again))))               ;; l
            (if (i32.eq (local.get $do) (i32.const 0x6d)) (then                                           ;; m
                (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))))
            (if (i32.eq (local.get $do) (i32.const 0x70)) (then (return (i32.const 1))))                  ;; p
            (if (i32.eq (local.get $do) (i32.const 0x62)) (then (return (i32.const 7))))                  ;; b
            (if (i32.eq (local.get $do) (i32.const 0x65)) (then (call $exit (i32.const 3))))              ;; e
            (if (i32.eq (local.get $do) (i32.const 0x7a)) (then (call $check (call $close (i32.const 0))))) ;; z
            (if (i32.eq (local.get $do) (i32.const 0x72)) (then                                           ;; r
                (i32.store8 (i32.const 112) (global.get $configuration))
                (call $answer (i32.const 403) (i32.const 112) (i32.const 1))
                (return (i32.const 1))))
            (if (i32.eq (local.get $do) (i32.const 0x71)) (then                                           ;; q
                (call $header (i32.const 16) (i32.const 8))
                (if (call $property (i32.load (i32.const 100)) (i32.load (i32.const 104)) (i32.const 100) (i32.const 104))
                    (then (call $answer (i32.const 404) (i32.const 0) (i32.const 0)))
                    (else (call $answer (i32.const 200) (i32.load (i32.const 100)) (i32.load (i32.const 104)))))
                (return (i32.const 1))))
            (if (i32.eq (local.get $do) (i32.const 0x68)) (then                                           ;; h
                (call $check (call $pairs (i32.const 0) (i32.const 100) (i32.const 104)))
                (call $check (call $set_pairs (i32.const 0) (i32.load (i32.const 100)) (i32.load (i32.const 104))))))
            (if (i32.eq (local.get $do) (i32.const 0x61)) (then                                           ;; a
                (call $check (call $replace (i32.const 0) (i32.const 32) (i32.const 3) (i32.const 0) (i32.const 5)))))
            (if (i32.eq (local.get $do) (i32.const 0x6e)) (then                                           ;; n
                (call $check (call $define (i32.const 0) (i32.const 80) (i32.const 4) (i32.const 100)))
                (call $check (call $increment (i32.load (i32.const 100)) (i64.const 2)))))
            (i32.const 0))
        "#,
    )
}
