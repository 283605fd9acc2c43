//! cargo-deny: reads the licences, versions and sources of every dependency.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::cache::{self, Entry};
use crate::exec;
use crate::workspace::Workspace;

pub(super) const NAME: &str = "cargo-deny";
pub(super) const VERSION: &str = "0.20.2";

const ENTRY: Entry = Entry { name: NAME, version: VERSION, cost: "built from source, 1 to 2 minutes" };

pub(super) fn find() -> Result<Option<PathBuf>> {
    Ok(cache::find(&cache::folder()?, &ENTRY).map(|folder| program(&folder)))
}

/// The program, installed if need be.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    cache::ensure(&cache::folder()?, &ENTRY, |folder| install(workspace, folder))
        .map(|folder| program(&folder))
}

fn program(folder: &Path) -> PathBuf {
    folder.join("bin").join("cargo-deny")
}

fn install(workspace: &Workspace, folder: &Path) -> Result<()> {
    let build = folder.join("build");
    // It reads a few hundred manifests once: an optimised build costs minutes and saves nothing.
    let lean = ["OPT_LEVEL=0", "LTO=off", "CODEGEN_UNITS=16", "DEBUG=0"];
    let lean = lean.iter().filter_map(|setting| setting.split_once('='));
    exec::run(
        workspace
            .cargo()
            .envs(lean.map(|(name, value)| (format!("CARGO_PROFILE_RELEASE_{name}"), value)))
            .args(["install", NAME, "--version", VERSION, "--locked", "--root"])
            .arg(folder)
            .arg("--target-dir")
            .arg(&build),
    )?;
    // Half a gigabyte that nobody needs again.
    Ok(std::fs::remove_dir_all(build)?)
}
