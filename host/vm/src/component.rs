//! Components of the world `postern:policy/policy` (`wit/`).
//!
//! A component is asked and answers; it gets no import at all. What its answers mean is done here: a denied request is
//! answered with 403, a denied connection closed, either is counted and leaves one line in the log. The names are those
//! that the proxy-wasm module uses, so that who reads logs and metrics need not know which of the two runs.

mod answer;
mod counters;
mod instance;
mod question;
mod report;

use wasmtime::component::{Component, Linker};

use crate::engine::Engine;
use crate::module::CompileError;

pub(crate) use bindings::PolicyPre;
pub(crate) use instance::{Asked, Instance};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "written by wasmtime from wit/policy.wit"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// How a component's file begins, where a module's has version 1 and layer 0.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

pub(crate) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER)
}

/// Compiles a component and checks that it is of the world.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<PolicyPre<Asked>, CompileError> {
    let component = Component::from_binary(engine.wasm(), bytes)
        .map_err(|error| CompileError::NotWasm(format!("{error:#}")))?;
    // An empty linker: whatever it imports, it does not get.
    Linker::new(engine.wasm())
        .instantiate_pre(&component)
        .and_then(PolicyPre::new)
        .map_err(|error| CompileError::WrongWorld(format!("{error:#}")))
}
