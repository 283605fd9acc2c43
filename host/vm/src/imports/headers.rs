//! Header maps. Only the request's headers exist so far; every other map is "not found".

use wasmtime::{Caller, Linker};

use super::{ENV, slot, span, status};
use crate::abi::{Status, map};
use crate::guest::{Answer, Guest, Slot, Span};
use crate::headers::Headers;
use crate::host::{Exchange, Host};

type C<'a> = Caller<'a, Host>;

/// More than any server takes as a request's head. The guest's memory limit does not bound what it makes the host keep.
const MAX_MAP: usize = 1 << 20;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, "proxy_get_header_map_pairs", |c: C<'_>, map: u32, at: u32, size: u32| {
        status(pairs(&mut Guest(c), map, slot(at, size)))
    })?;
    linker.func_wrap(ENV, "proxy_set_header_map_pairs", |c: C<'_>, map: u32, at: u32, len: u32| {
        status(set_pairs(&mut Guest(c), map, span(at, len)))
    })?;
    linker.func_wrap(ENV, "proxy_get_header_map_size", |c: C<'_>, map: u32, at: u32| {
        status(size(&mut Guest(c), map, at))
    })?;
    linker.func_wrap(
        ENV,
        "proxy_get_header_map_value",
        |c: C<'_>, map: u32, key: u32, key_len: u32, at: u32, size: u32| {
            status(value(&mut Guest(c), map, span(key, key_len), slot(at, size)))
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_add_header_map_value",
        |c: C<'_>, map: u32, key: u32, key_len: u32, value: u32, len: u32| {
            status(edit(&mut Guest(c), map, span(key, key_len), span(value, len), Headers::push))
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_replace_header_map_value",
        |c: C<'_>, map: u32, key: u32, key_len: u32, value: u32, len: u32| {
            status(edit(&mut Guest(c), map, span(key, key_len), span(value, len), Headers::set))
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_remove_header_map_value",
        |c: C<'_>, map: u32, key: u32, key_len: u32| {
            let remove = |headers: &mut Headers, name: &[u8], _: &[u8]| headers.remove(name);
            status(edit(&mut Guest(c), map, span(key, key_len), span(0, 0), remove))
        },
    )?;
    Ok(())
}

fn pairs(guest: &mut Guest<'_>, map: u32, to: Slot) -> Answer {
    guest.reply(to, |host, out| Ok(exchange(host, map)?.headers.serialise(out)?))
}

fn set_pairs(guest: &mut Guest<'_>, map: u32, from: Span) -> Answer {
    let (bytes, host) = guest.read(from)?;
    let exchange = exchange(host, map)?;
    if bytes.len() > MAX_MAP {
        return Err(Status::BadArgument.into());
    }
    exchange.headers = Headers::parse(bytes)?;
    exchange.changed = true;
    Ok(())
}

fn size(guest: &mut Guest<'_>, map: u32, at: u32) -> Answer {
    let size = exchange(guest.host(), map)?.headers.serialised_len();
    let size = u32::try_from(size).map_err(|_| Status::SerializationFailure)?;
    guest.write(at, &size.to_le_bytes())
}

fn value(guest: &mut Guest<'_>, map: u32, key: Span, to: Slot) -> Answer {
    guest.reply_to(key, to, |host, name, out| {
        out.extend_from_slice(exchange(host, map)?.headers.get(name).ok_or(Status::NotFound)?);
        Ok(())
    })
}

fn edit(
    guest: &mut Guest<'_>,
    map: u32,
    key: Span,
    value: Span,
    apply: impl FnOnce(&mut Headers, &[u8], &[u8]),
) -> Answer {
    let (name, value, host) = guest.read_two(key, value)?;
    let exchange = exchange(host, map)?;
    if exchange.headers.serialised_len() + name.len() + value.len() > MAX_MAP {
        return Err(Status::BadArgument.into());
    }
    apply(&mut exchange.headers, name, value);
    exchange.changed = true;
    Ok(())
}

fn exchange(host: &mut Host, map: u32) -> Result<&mut Exchange, Status> {
    match map {
        map::REQUEST_HEADERS => host.exchange().ok_or(Status::NotFound),
        1..=map::LAST => Err(Status::NotFound),
        _ => Err(Status::BadArgument),
    }
}
