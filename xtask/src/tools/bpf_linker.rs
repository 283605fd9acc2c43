//! bpf-linker: makes loadable eBPF objects out of what rustc compiles for the kernel.
//!
//! The build script of the crate `node` runs it from `<cache>/bpf-linker-0.10.3/bin/bpf-linker`, where
//! `<cache>` is `$POSTERN_CACHE`, else `$XDG_CACHE_HOME/postern`, else `~/.cache/postern`. A new version
//! is a change there too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::cache::{self, Entry};
use super::crates;
use crate::exec;
use crate::workspace::Workspace;

pub(super) const NAME: &str = "bpf-linker";
/// The last one that links by rustc's own LLVM; later ones want an LLVM of their own on the machine.
pub(super) const VERSION: &str = "0.10.3";

const ENTRY: Entry = Entry { name: NAME, version: VERSION, cost: "built from source, 1 to 3 minutes" };

pub(super) fn find() -> Result<Option<PathBuf>> {
    Ok(cache::find(&cache::folder()?, &ENTRY).map(|folder| crates::program(&folder, NAME)))
}

/// The program, installed if need be.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let install = |folder: &Path| {
        crates::install(workspace, NAME, VERSION, folder)?;
        exec::output(Command::new(crates::program(folder, NAME)).arg("--version"))
            .context("the bpf-linker that was just built does not run on this machine")
            .map(drop)
    };
    cache::ensure(&cache::folder()?, &ENTRY, install).map(|folder| crates::program(&folder, NAME))
}
