;; Runs the program that its plugin configuration is. A byte counts from `0`: a digit is its number.
;;
;; A step is an operation and its arguments; a callback runs steps until one says stop, or there were too many. The next
;; goes on where it stopped. IMPORTS, FUNCTIONS and TABLE are put in by guest.rs.
(module
  IMPORTS
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)

  ;; 0 to 256: words that replies are put into and arguments come from.
  ;; 256 to 512: what arguments point at.
  (data (i32.const 256) ":path\00\00\00:authority\00\00\00\00\00\00x-a\00\00\00\00\00plugin_name\00")
  (data (i32.const 300) "source\00address\00\00connection\00mtls\00request\00path\00")
  ;; A map of one header: "a" is "b".
  (data (i32.const 352) "\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00")
  ;; A piece of standard output: the map above.
  (data (i32.const 376) "\60\01\00\00\10\00\00\00")
  (data (i32.const 384) "TABLE")
  ;; 1024: how many requests this instance has seen, for the answer to a probe.
  ;; 8192 to 16384: the program. From 32768: what is allocated.

  (global $pc (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $steps (mut i32) (i32.const 0))
  (global $value (mut i32) (i32.const 0))
  (global $mode (mut i32) (i32.const 0))
  (global $top (mut i32) (i32.const 32768))
  (global $probed (mut i32) (i32.const 0))
  (global $requests (mut i32) (i32.const 0))

  (func $byte (result i32)
    (if (i32.ge_u (global.get $pc) (global.get $end)) (then (return (i32.const 0))))
    (global.set $pc (i32.add (global.get $pc) (i32.const 1)))
    (i32.and (i32.sub (i32.load8_u offset=8191 (global.get $pc)) (i32.const 48)) (i32.const 255)))

  ;; A number of the table, a small one, what an earlier reply was, two bytes.
  (func $arg (result i32)
    (local $byte i32)
    (local.set $byte (call $byte))
    (if (i32.lt_u (local.get $byte) (i32.const 64))
      (then (return (i32.load offset=384 (i32.shl (local.get $byte) (i32.const 2))))))
    (if (i32.lt_u (local.get $byte) (i32.const 128))
      (then (return (i32.and (local.get $byte) (i32.const 63)))))
    (if (i32.lt_u (local.get $byte) (i32.const 192))
      (then (return (i32.load (i32.shl (i32.and (local.get $byte) (i32.const 63)) (i32.const 2))))))
    (i32.or (call $byte) (i32.shl (call $byte) (i32.const 8))))

  ;; What the ABI does not have is told by an exit that no program can make.
  (func $status (param $status i32)
    (if (i32.ge_u (local.get $status) (i32.const 32)) (then (call $exit (i32.const 777))))
    (if (i32.eqz (i32.and (i32.shr_u (i32.const 0x155f) (local.get $status)) (i32.const 1)))
      (then (call $exit (i32.const 777)))))
  (func $errno (param $errno i32)
    (if (i32.ge_u (local.get $errno) (i32.const 64)) (then (call $exit (i32.const 778))))
    (if (i64.eqz (i64.and
          (i64.shr_u (i64.const 0x10000030200101) (i64.extend_i32_u (local.get $errno))) (i64.const 1)))
      (then (call $exit (i32.const 778)))))

  (func $for_ever (loop $again (br $again)))
  (func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))

  (func $stop (result i32) (global.set $value (call $arg)) (i32.const 0))
  (func $set_mode (result i32) (global.set $mode (call $byte)) (i32.const 1))
  (func $poke (result i32) (i32.store (call $arg) (call $arg)) (i32.const 1))
  (func $fill (result i32) (memory.fill (call $arg) (call $arg) (call $arg)) (i32.const 1))
  (func $grow (result i32)
    (i32.store (i32.const 0) (memory.grow (i32.and (call $arg) (i32.const 31)))) (i32.const 1))
  (func $jump (result i32) (global.set $pc (call $arg)) (i32.const 1))
  (func $leave (result i32) (call $exit (i32.and (call $arg) (i32.const 255))) (i32.const 0))
  (func $trap (result i32) unreachable)
  (func $hang (result i32)
    (if (i32.eq (call $byte) (i32.const 9)) (then (call $for_ever)))
    (i32.const 1))
  (func $overflow (result i32) (drop (call $deeper (i32.const 0))) (i32.const 1))
  FUNCTIONS

  ;; One step; whether to go on.
  (type $step (func (result i32)))
  (func $step (result i32)
    (if (i32.eqz (global.get $steps)) (then (return (i32.const 0))))
    (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
    (if (i32.ge_u (global.get $pc) (global.get $end)) (then (return (i32.const 0))))
    (call_indirect (type $step) (i32.rem_u (call $byte) (i32.const COUNT))))
  (func $run (result i32)
    (global.set $value (i32.const 0))
    (global.set $steps (i32.const 48))
    (loop $next (br_if $next (call $step)))
    (global.get $value))

  (func (export "proxy_abi_version_0_2_1"))
  (func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.eq (global.get $mode) (i32.const 1)) (then (return (i32.const 0))))
    (if (i32.eq (global.get $mode) (i32.const 2)) (then (return (i32.const -1))))
    (if (i32.eq (global.get $mode) (i32.const 3))
      (then (return (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)))))
    (if (i32.eq (global.get $mode) (i32.const 4)) (then unreachable))
    ;; Calls the host in the middle of its call.
    (if (i32.eq (global.get $mode) (i32.const 5)) (then (drop (call $step))))
    ;; Moves the memory under it.
    (if (i32.eq (global.get $mode) (i32.const 6)) (then (drop (memory.grow (i32.const 1)))))
    (if (i32.eq (global.get $mode) (i32.const 7)) (then (return (i32.const 8))))
    ;; Calls what has called it, until the stack ends.
    (if (i32.eq (global.get $mode) (i32.const 8))
      (then (drop (call $proxy_get_buffer_bytes
        (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))))
    (local.set $at (global.get $top))
    (if (i32.gt_u (local.get $size) (i32.sub (i32.shl (memory.size) (i32.const 16)) (local.get $at)))
      (then (return (i32.const 0))))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "proxy_on_context_create") (param $id i32) (param $root i32)
    (global.set $probed (i32.const 0))
    (global.set $top (i32.const 32768)))

  ;; 0 accepts, 1 refuses.
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
    (global.set $mode (i32.const 0))
    (global.set $top (i32.const 32768))
    (if (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 8192) (i32.const 0) (i32.const 4))
      (then unreachable))
    (global.set $end (i32.load (i32.const 4)))
    (memory.copy (i32.const 8192) (i32.load (i32.const 0)) (global.get $end))
    (if (i32.eq (local.get $root) (i32.const 1)) (then (global.set $pc (i32.const 0))))
    (i32.ne (call $run) (i32.const 1)))

  (func (export "proxy_on_new_connection") (param i32) (result i32) (call $run))
  (func (export "proxy_on_downstream_connection_close") (param i32 i32) (drop (call $run)))

  ;; The end of the stream asks for a step of the program, a stream that goes on how many requests there were.
  (func (export "proxy_on_request_headers") (param i32 i32) (param $end i32) (result i32)
    (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
    (if (local.get $end) (then (return (call $run))))
    (global.set $probed (i32.const 1))
    (i32.store (i32.const 1024) (global.get $requests))
    (if (call $proxy_send_local_response (i32.const 200) (i32.const 0) (i32.const 0)
          (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const -1))
      (then (call $exit (i32.const 779))))
    (i32.const 1))
  (func $late (if (i32.eqz (global.get $probed)) (then (drop (call $run)))))
  (func (export "proxy_on_done") (param i32) (result i32) (call $late) (i32.const 1))
  (func (export "proxy_on_log") (param i32) (call $late))
  (func (export "proxy_on_delete") (param i32) (call $late)))
