//! Buffers, properties and shared data.

use wasmtime::{Caller, Linker};

use super::{ENV, slot, span, status};
use crate::abi::{Status, buffer};
use crate::guest::{Answer, Guest, Slot, Span};
use crate::host::Host;
use crate::property;

type C<'a> = Caller<'a, Host>;

/// A property's path is some words.
const MAX_PATH: u32 = 256;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_get_buffer_bytes",
        |c: C<'_>, buffer: u32, start: u32, max: u32, at: u32, size: u32| {
            status(buffer_bytes(&mut Guest(c), buffer, start, max, slot(at, size)))
        },
    )?;
    linker.func_wrap(ENV, "proxy_get_buffer_status", |c: C<'_>, buffer: u32, len: u32, flags: u32| {
        status(buffer_status(&mut Guest(c), buffer, len, flags))
    })?;
    // Configurations are read-only, bodies are not shown.
    linker.func_wrap(ENV, "proxy_set_buffer_bytes", |_: u32, _: u32, _: u32, _: u32, _: u32| {
        Status::BadArgument as u32
    })?;
    linker.func_wrap(
        ENV,
        "proxy_get_property",
        |c: C<'_>, path: u32, path_len: u32, at: u32, size: u32| {
            status(property(&mut Guest(c), span(path, path_len), slot(at, size)))
        },
    )?;
    // Properties belong to the host.
    linker
        .func_wrap(ENV, "proxy_set_property", |_: u32, _: u32, _: u32, _: u32| Status::BadArgument as u32)?;
    linker.func_wrap(
        ENV,
        "proxy_get_shared_data",
        |c: C<'_>, key: u32, key_len: u32, at: u32, size: u32, version: u32| {
            status(shared(&mut Guest(c), span(key, key_len), slot(at, size), version))
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_shared_data",
        |c: C<'_>, key: u32, key_len: u32, value: u32, len: u32, version: u32| {
            status(set_shared(&mut Guest(c), span(key, key_len), span(value, len), version))
        },
    )?;
    Ok(())
}

fn buffer_bytes(guest: &mut Guest<'_>, buffer: u32, start: u32, max: u32, to: Slot) -> Answer {
    guest.reply(to, |host, out| {
        let bytes = contents(host, buffer)?;
        let rest = bytes.get(start as usize..).ok_or(Status::BadArgument)?;
        out.extend_from_slice(rest.get(..max as usize).unwrap_or(rest));
        Ok(())
    })
}

fn buffer_status(guest: &mut Guest<'_>, buffer: u32, len: u32, flags: u32) -> Answer {
    let size = contents(guest.host(), buffer)?.len();
    let size = u32::try_from(size).map_err(|_| Status::InternalFailure)?;
    guest.write(len, &size.to_le_bytes())?;
    guest.write(flags, &[0; 4])
}

fn contents(host: &Host, buffer: u32) -> Result<&[u8], Status> {
    match buffer {
        buffer::PLUGIN_CONFIGURATION => Ok(&host.configuration),
        buffer::VM_CONFIGURATION => Ok(&[]),
        0..=buffer::LAST => Err(Status::NotFound),
        _ => Err(Status::BadArgument),
    }
}

fn property(guest: &mut Guest<'_>, path: Span, to: Slot) -> Answer {
    if path.len > MAX_PATH {
        return Err(Status::NotFound.into());
    }
    guest.reply_to(path, to, |host, path, out| Ok(property::lookup(host, path, out).ok_or(Status::NotFound)?))
}

fn shared(guest: &mut Guest<'_>, key: Span, to: Slot, version_at: u32) -> Answer {
    let (key, host) = guest.read(key)?;
    let mut value = Vec::new();
    let version = host.shared.get(key, &mut value).ok_or(Status::NotFound)?;
    guest.write(version_at, &version.to_le_bytes())?;
    guest.reply(to, |_, out| {
        *out = value;
        Ok(())
    })
}

fn set_shared(guest: &mut Guest<'_>, key: Span, value: Span, version: u32) -> Answer {
    let (key, value, host) = guest.read_two(key, value)?;
    Ok(host.shared.set(key, value, version)?)
}
