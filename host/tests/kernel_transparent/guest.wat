;; Denies paths that begin with /d. Traps unless it is told that the direction is unspecified.
(module
    (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 16)
    (data (i32.const 0) ":path")
    (data (i32.const 16) "xds\00listener_direction")
    (data (i32.const 48) "Access denied\0d\0a")
    (global $top (mut i32) (i32.const 65536))
    (func $check (param i32) (if (local.get 0) (then unreachable)))
    (func (export "proxy_abi_version_0_2_0"))
    (func (export "malloc") (param $size i32) (result i32)
        global.get $top
        (global.set $top (i32.add (global.get $top) (local.get $size))))
    (func (export "proxy_on_context_create") (param i32 i32) (global.set $top (i32.const 65536)))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func $direction
        (call $check (call $property (i32.const 16) (i32.const 22) (i32.const 100) (i32.const 104)))
        (call $check (i32.ne (i32.load (i32.const 104)) (i32.const 8)))
        (call $check (i64.ne (i64.load (i32.load (i32.const 100))) (i64.const 0))))
    (func (export "proxy_on_new_connection") (param i32) (result i32)
        (call $direction)
        (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $direction)
        (call $check (call $value (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 100) (i32.const 104)))
        (if (i32.eq (i32.load8_u offset=1 (i32.load (i32.const 100))) (i32.const 0x64)) (then
            (call $check (call $respond (i32.const 403) (i32.const 0) (i32.const 0)
                (i32.const 48) (i32.const 15) (i32.const 0) (i32.const 0) (i32.const -1)))
            (return (i32.const 1))))
        (i32.const 0)))
