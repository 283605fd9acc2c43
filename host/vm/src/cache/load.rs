//! The one place where stored bytes become code.
#![allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code, so loading it is a promise of the caller"
)]

use std::fs::File;

/// Maps a compiled module. `file` was opened by [`super::directory::open`], and its digest is the stored one.
pub(super) fn from_file(engine: &wasmtime::Engine, file: File) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the bytes must be what `Module::serialize` gave and must not change while they are mapped. The file lies in
    // a folder that only this user and root can write to, is itself such a file, and its digest is the one that was
    // stored with it, so it is what this program, run by this user, has stored. It is never written to again: a new
    // version is another file under the same name. wasmtime itself refuses another version, other settings or another
    // machine.
    unsafe { wasmtime::Module::deserialize_open_file(engine, file) }
}
