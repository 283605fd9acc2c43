//! What the guest does to the stream: answer it, close it, let it go on.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wasmtime::{Caller, Linker};

use super::{ENV, span, status};
use crate::abi::{LAST_STREAM, Status};
use crate::guest::{Answer, Guest, Span, slice};
use crate::headers::Headers;
use crate::host::Host;
use crate::response::LocalResponse;

/// Bytes of a response's headers, of its body, and of its details: each is copied.
const MAX_PART: u32 = 1 << 20;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_send_local_response",
        |c: Caller<'_, Host>,
         code: u32,
         details: u32,
         details_len: u32,
         body: u32,
         body_len: u32,
         headers: u32,
         headers_len: u32,
         grpc_status: i32| {
            let [details, body, headers] =
                [span(details, details_len), span(body, body_len), span(headers, headers_len)];
            status(respond(&mut Guest(c), code, details, body, headers, grpc_status))
        },
    )?;
    linker.func_wrap(ENV, "proxy_close_stream", |c: Caller<'_, Host>, stream: u32| {
        status(close(Guest(c).host(), stream))
    })?;
    // A stream is never held here beyond the callback that is running.
    linker.func_wrap(ENV, "proxy_continue_stream", |stream: u32| {
        if stream <= LAST_STREAM { Status::Ok as u32 } else { Status::BadArgument as u32 }
    })?;
    // Contexts are finished by the host when their stream ends, whatever `proxy_on_done` answered.
    linker.func_wrap(ENV, "proxy_done", || Status::Ok as u32)?;
    linker.func_wrap(ENV, "proxy_set_effective_context", |c: Caller<'_, Host>, context: u32| {
        status(set_effective(Guest(c).host(), context))
    })?;
    Ok(())
}

fn respond(
    guest: &mut Guest<'_>,
    code: u32,
    details: Span,
    body: Span,
    headers: Span,
    grpc_status: i32,
) -> Answer {
    if [details, body, headers].iter().any(|part| part.len > MAX_PART) {
        return Err(Status::BadArgument.into());
    }
    let (memory, host) = guest.memory()?;
    let exchange = host.exchange().ok_or(Status::BadArgument)?;
    let response = LocalResponse {
        status: final_status(code)?,
        headers: checked(&Headers::parse(slice(memory, headers)?)?)?,
        body: Bytes::copy_from_slice(slice(memory, body)?),
        grpc_status: u32::try_from(grpc_status).ok(),
        details: String::from_utf8_lossy(slice(memory, details)?).into_owned(),
    };
    // The first answer is the one that went out.
    exchange.response.get_or_insert(response);
    Ok(())
}

fn final_status(code: u32) -> Result<StatusCode, Status> {
    let code = u16::try_from(code).map_err(|_| Status::BadArgument)?;
    match StatusCode::from_u16(code) {
        Ok(status) if (200..600).contains(&code) => Ok(status),
        _ => Err(Status::BadArgument),
    }
}

fn checked(headers: &Headers) -> Result<HeaderMap, Status> {
    // A map holds fewer than a guest may write down.
    let mut map = HeaderMap::try_with_capacity(headers.len()).map_err(|_| Status::BadArgument)?;
    for (name, value) in headers.iter() {
        let name = HeaderName::from_bytes(name).map_err(|_| Status::BadArgument)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Status::BadArgument)?;
        map.try_append(name, value).map_err(|_| Status::BadArgument)?;
    }
    Ok(map)
}

fn close(host: &mut Host, stream: u32) -> Answer {
    if stream > LAST_STREAM {
        return Err(Status::BadArgument.into());
    }
    if let Some(exchange) = host.exchange() {
        exchange.reset = true;
    } else if host.connections.contains_key(&host.effective) {
        host.closed = Some(host.effective);
    } else {
        return Err(Status::BadArgument.into());
    }
    Ok(())
}

fn set_effective(host: &mut Host, context: u32) -> Answer {
    if !host.has_context(context) {
        return Err(Status::BadArgument.into());
    }
    host.effective = context;
    Ok(())
}
