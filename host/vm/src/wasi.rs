//! The part of WASI preview 1 that Rust's standard library links to: a log, two clocks, random bytes, and nothing else.
//! There are no files, no arguments and no environment, so nothing of the machine is reachable.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use tracing::Level;
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use crate::fault::Exit;
use crate::guest::{Answer, Guest, Refusal, Span, slice};
use crate::host::Host;
use crate::imports::{MAX_LINE, emit, nanoseconds};

const WASI: &str = "wasi_snapshot_preview1";

/// The error numbers used here.
mod errno {
    pub(super) const SUCCESS: i32 = 0;
    pub(super) const BADF: i32 = 8;
    pub(super) const FAULT: i32 = 21;
    pub(super) const INVAL: i32 = 28;
    pub(super) const IO: i32 = 29;
    pub(super) const NOSYS: i32 = 52;
}

/// More random bytes at once than any seed needs.
const MAX_RANDOM: u32 = 64 << 10;
/// A line is written in a few pieces.
const MAX_PIECES: u32 = 64;

type C<'a> = Caller<'a, Host>;

pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for (name, parameters) in ABSENT {
        let answer = if *name == "poll_oneoff" { errno::NOSYS } else { errno::BADF };
        constant(linker, name, parameters, answer)?;
    }
    constant(linker, "sched_yield", "", errno::SUCCESS)?;
    // Nothing to fetch: the sizes below are zero.
    constant(linker, "args_get", "ii", errno::SUCCESS)?;
    constant(linker, "environ_get", "ii", errno::SUCCESS)?;
    for name in ["args_sizes_get", "environ_sizes_get"] {
        linker.func_wrap(WASI, name, |c: C<'_>, count: u32, bytes: u32| {
            let mut guest = Guest(c);
            errno(guest.write(count, &[0; 4]).and_then(|()| guest.write(bytes, &[0; 4])))
        })?;
    }
    linker.func_wrap(
        WASI,
        "fd_write",
        |c: C<'_>, fd: u32, pieces: u32, count: u32, written: u32| match fd {
            1 => errno(write(&mut Guest(c), Level::INFO, pieces, count, written)),
            2 => errno(write(&mut Guest(c), Level::ERROR, pieces, count, written)),
            _ => Ok(errno::BADF),
        },
    )?;
    let origin = Instant::now();
    linker.func_wrap(WASI, "clock_time_get", move |c: C<'_>, clock: u32, _precision: u64, at: u32| {
        let time = match clock {
            0 => nanoseconds(),
            1 => u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX),
            _ => return Ok(errno::INVAL),
        };
        errno(Guest(c).write(at, &time.to_le_bytes()))
    })?;
    linker.func_wrap(WASI, "clock_res_get", |c: C<'_>, _clock: u32, at: u32| {
        errno(Guest(c).write(at, &1_u64.to_le_bytes()))
    })?;
    linker.func_wrap(WASI, "random_get", |c: C<'_>, at: u32, len: u32| random(&mut Guest(c), at, len))?;
    linker.func_wrap(WASI, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(code)))
    })?;
    Ok(())
}

/// What is not there, with its parameters: `i` for 32 bits, `l` for 64.
const ABSENT: &[(&str, &str)] = &[
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// A function that always answers the same.
fn constant(linker: &mut Linker<Host>, name: &str, parameters: &str, answer: i32) -> wasmtime::Result<()> {
    let types = parameters.bytes().map(|p| if p == b'l' { ValType::I64 } else { ValType::I32 });
    let ty = FuncType::new(linker.engine(), types, [ValType::I32]);
    linker.func_new(WASI, name, ty, move |_, _, results| {
        if let Some(result) = results.first_mut() {
            *result = Val::I32(answer);
        }
        Ok(())
    })?;
    Ok(())
}

fn errno(answer: Answer) -> wasmtime::Result<i32> {
    match answer {
        Ok(()) => Ok(errno::SUCCESS),
        Err(Refusal::Status(_)) => Ok(errno::FAULT),
        Err(Refusal::Stop(error)) => Err(error),
    }
}

/// Standard output and error go to the log, one line for each call.
fn write(guest: &mut Guest<'_>, level: Level, pieces: u32, count: u32, written: u32) -> Answer {
    let (memory, host) = guest.memory()?;
    let list = slice(memory, Span { at: pieces, len: count.min(MAX_PIECES) * 8 })?;
    let mut line = Vec::new();
    let mut total = 0_u32;
    for piece in list.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *piece;
        let piece = Span { at: u32::from_le_bytes([a, b, c, d]), len: u32::from_le_bytes([e, f, g, h]) };
        let bytes = slice(memory, piece)?;
        // What the log would cut off is not copied.
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        total = total.saturating_add(piece.len);
    }
    emit(host, level, &line);
    guest.write(written, &total.to_le_bytes())
}

fn random(guest: &mut Guest<'_>, at: u32, len: u32) -> wasmtime::Result<i32> {
    if len > MAX_RANDOM {
        return Ok(errno::INVAL);
    }
    let mut bytes = vec![0; len as usize];
    // Once per instance, to seed its hash maps: no reason to keep the file open.
    if File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
        return Ok(errno::IO);
    }
    errno(guest.write(at, &bytes))
}
