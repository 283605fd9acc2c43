//! The imports that a guest may link to.

mod headers;
mod local;
mod logging;
mod metrics;
mod state;

use wasmtime::{Caller, Engine, Linker};

use crate::abi::Status;
use crate::guest::{Answer, Guest, Refusal, Slot, Span};
use crate::host::Host;
use crate::wasi;

pub(crate) use logging::{MAX_LINE, emit, line, nanoseconds};

const ENV: &str = "env";

/// Every import of ABI 0.2.1 and of WASI preview 1.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    logging::link(&mut linker)?;
    headers::link(&mut linker)?;
    local::link(&mut linker)?;
    state::link(&mut linker)?;
    metrics::link(&mut linker)?;
    link_unimplemented(&mut linker)?;
    wasi::link(&mut linker)?;
    Ok(linker)
}

/// What the import returns to the guest.
fn status(answer: Answer) -> wasmtime::Result<u32> {
    match answer {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Refusal::Status(status)) => Ok(status as u32),
        Err(Refusal::Stop(error)) => Err(error),
    }
}

fn span(at: u32, len: u32) -> Span {
    Span { at, len }
}

fn slot(at: u32, size: u32) -> Slot {
    Slot { at, size }
}

/// Calls that need an upstream of their own or another VM: each with the number of its parameters.
const UNIMPLEMENTED: [(&str, usize); 12] = [
    ("proxy_http_call", 10),
    ("proxy_grpc_call", 12),
    ("proxy_grpc_stream", 9),
    ("proxy_grpc_send", 4),
    ("proxy_grpc_cancel", 1),
    ("proxy_grpc_close", 1),
    ("proxy_get_status", 3),
    ("proxy_register_shared_queue", 3),
    ("proxy_resolve_shared_queue", 5),
    ("proxy_dequeue_shared_queue", 3),
    ("proxy_enqueue_shared_queue", 3),
    ("proxy_call_foreign_function", 6),
];

fn link_unimplemented(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for (name, parameters) in UNIMPLEMENTED {
        let parameters = std::iter::repeat_n(wasmtime::ValType::I32, parameters);
        let ty = wasmtime::FuncType::new(linker.engine(), parameters, [wasmtime::ValType::I32]);
        linker.func_new(ENV, name, ty, move |caller: Caller<'_, Host>, _, results| {
            let mut guest = Guest(caller);
            let host = guest.host();
            if !std::mem::replace(&mut host.reported_unimplemented, true) {
                tracing::warn!(plugin = %host.plugin.name, call = name, "the filter made a call that this proxy does not have");
            }
            if let Some(result) = results.first_mut() {
                *result = wasmtime::Val::I32(Status::Unimplemented as i32);
            }
            Ok(())
        })?;
    }
    Ok(())
}
