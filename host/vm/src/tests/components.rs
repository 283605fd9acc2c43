//! Components that behave and components that do not.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::{ConfigureError, ConnectionOutcome};

/// What a component made of text answers: three bodies, each with the address of its answer as its value, and what is in
/// memory, from address 1,024 on. Zeros allow, with an empty reason; they accept a configuration too.
struct Text {
    configure: &'static str,
    connection: &'static str,
    request: &'static str,
    data: &'static str,
}

const ZEROS: &str = "i32.const 65536";
const DATA: &str = "i32.const 1024";
const KIND: Text = Text { configure: ZEROS, connection: ZEROS, request: ZEROS, data: "" };

impl Text {
    fn component(&self) -> Vec<u8> {
        let Self { configure, connection, request, data } = self;
        let text = format!(
            r#"(module
                (memory (export "memory") 32)
                (global $next (mut i32) (i32.const 131072))
                (data (i32.const 1024) "{data}")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                    (global.get $next)
                    (global.set $next (i32.add (global.get $next) (local.get 3))))
                (func (export "postern:policy/decider@0.1.0#configure") (param i32 i32) (result i32)
                    {configure})
                (func (export "postern:policy/decider@0.1.0#decide-connection")
                    (param i32 i64 i64 i32 i32 i64 i64 i32 i32 i32 i32 i32) (result i32)
                    {connection})
                (func (export "postern:policy/decider@0.1.0#decide-request") (param i32) (result i32)
                    {request}))"#
        );
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("policy.wit", include_str!("../../../../wit/policy.wit")).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    fn start(&self) -> Vm {
        let limits =
            Limits { memory_bytes: 4 << 20, call_time: Duration::from_millis(60), ..Limits::default() };
        let module = Module::compile(&Engine::new(limits).unwrap(), &self.component()).unwrap();
        Vm::new(&module, plugin(), Arc::new(MetricsStore::new())).unwrap()
    }
}

fn compile_component(text: &str) -> CompileError {
    let engine = Engine::new(Limits::default()).unwrap();
    match Module::compile(&engine, &wat::parse_str(text).unwrap()) {
        Err(error) => error,
        Ok(_) => panic!("it compiles"),
    }
}

#[test]
fn what_it_allows_passes_and_what_it_denies_is_answered() {
    let mut vm = KIND.start();
    assert!(matches!(request(&mut vm, "/"), Ok(RequestOutcome::Continue { changed: false })));
    assert!(matches!(vm.on_connection(info()), Ok(ConnectionOutcome::Open(_))));
    // The first byte of an answer is the verdict: 1 denies.
    let mut vm = Text { connection: DATA, request: DATA, data: "\\01", ..KIND }.start();
    assert_eq!(body(request(&mut vm, "/")), b"Access denied\r\n");
    assert!(matches!(vm.on_connection(info()), Ok(ConnectionOutcome::Closed)));
    // 2 lets a connection in, and no request.
    let mut vm = Text { connection: DATA, request: DATA, data: "\\02", ..KIND }.start();
    assert_eq!(body(request(&mut vm, "/")), b"Access denied\r\n");
    assert!(matches!(vm.on_connection(info()), Ok(ConnectionOutcome::Open(_))));
}

/// A component that fails over a request, and one request that it is asked about.
fn check(request_body: &'static str, data: &'static str, expected: impl Fn(&Fault) -> bool) {
    let mut vm = Text { request: request_body, data, ..KIND }.start();
    match request(&mut vm, "/") {
        Err(fault) if expected(&fault) => {}
        other => panic!("{request_body} {data}: {other:?}"),
    }
    // The next call finds a fresh instance.
    assert!(matches!(vm.on_connection(info()), Ok(ConnectionOutcome::Open(_))), "{request_body}");
    assert_eq!(vm.faults(), 1);
}

#[test]
fn whatever_it_does_wrong_is_a_fault_of_that_one_call() {
    let trapped = |fault: &Fault| matches!(fault, Fault::Trapped(_));
    check("unreachable", "", trapped);
    check("(loop br 0) unreachable", "", |fault| *fault == Fault::TimedOut);
    check(
        "(drop (memory.grow (i32.const 100))) unreachable",
        "",
        |fault| matches!(fault, Fault::OutOfMemory { limit } if *limit == 4 << 20),
    );
    // An answer outside of its memory, a verdict that there is not, a reason of which most lies outside, and one that
    // is just far too long.
    check("i32.const -8", "", trapped);
    check(DATA, "\\03", trapped);
    check(DATA, "\\01\\00\\00\\00\\00\\04\\00\\00\\00\\00\\00\\7f", trapped);
    check(DATA, "\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\10\\00", trapped);
}

#[test]
fn a_configuration_that_it_refuses_changes_nothing() {
    // An error, without a field, with the text at 1,048.
    let data =
        "\\01\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\18\\04\\00\\00\\02\\00\\00\\00no";
    let mut vm = Text { configure: DATA, data, ..KIND }.start();
    let refused = vm.configure("{}".into());
    assert_eq!(
        refused,
        Err(ConfigureError::Refused {
            reason: "postern: configuration refused: no; everything is denied until a good one comes".into(),
        })
    );
    assert!(matches!(request(&mut vm, "/"), Ok(RequestOutcome::Continue { .. })));
    // The empty one is a legal start, and no way to lose a policy.
    let mut vm = KIND.start();
    assert_eq!(vm.configure("".into()), Ok(()));
    assert_eq!(vm.configure("{}".into()), Ok(()));
    assert!(matches!(vm.configure("".into()), Err(ConfigureError::Refused { .. })));
}

#[test]
fn a_request_that_cannot_be_asked_about_is_denied() {
    let mut vm = KIND.start();
    let mut headers = headers("/");
    headers.push(b":path", b"/other");
    let outcome = vm.on_request(&Arc::new(info()), &mut headers, true);
    assert_eq!(body(outcome), b"Access denied\r\n");
}

#[test]
fn a_component_of_another_world_does_not_compile() {
    let nothing = compile_component("(component)");
    assert!(matches!(nothing, CompileError::WrongWorld(_)), "{nothing}");
    let wasi = compile_component(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance (export "f" (func)))))"#,
    );
    assert!(wasi.to_string().contains("wasi:cli/environment"), "{wasi}");
}
