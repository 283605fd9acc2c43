//! The one place where stored bytes become code.
#![allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code, so loading it is a promise of the caller"
)]

/// Loads a compiled module. The bytes were read by [`super::directory::open`], and their digest is the stored one.
pub(super) fn from_bytes(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the bytes must be what `Module::serialize` gave. They were read from a file that only this user and root can
    // write to, in a folder of which the same is true, and their digest is the one that was stored with them: so they
    // are what this program, run by this user, has stored. They are a copy: nothing can change them any more. wasmtime
    // itself refuses what another version, other settings or another machine has made.
    unsafe { wasmtime::Module::deserialize(engine, code) }
}
