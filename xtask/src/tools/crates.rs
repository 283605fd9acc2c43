//! Programs that cargo builds from a crate's published source.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exec;
use crate::workspace::Workspace;

/// Builds the pinned version of a crate's program into `<folder>/bin`.
pub(super) fn install(workspace: &Workspace, name: &str, version: &str, folder: &Path) -> Result<()> {
    let build = folder.join("build");
    // Each of them works for a few seconds: an optimised build costs minutes and saves nothing.
    let lean = ["OPT_LEVEL=0", "LTO=off", "CODEGEN_UNITS=16", "DEBUG=0"];
    let lean = lean.iter().filter_map(|setting| setting.split_once('='));
    // In the workspace's folder, so by the toolchain that is pinned there.
    exec::run(
        workspace
            .cargo()
            .envs(lean.map(|(name, value)| (format!("CARGO_PROFILE_RELEASE_{name}"), value)))
            .args(["install", name, "--version", version, "--locked", "--root"])
            .arg(folder)
            .arg("--target-dir")
            .arg(&build),
    )?;
    // Half a gigabyte that nobody needs again.
    Ok(std::fs::remove_dir_all(build)?)
}

/// Where [`install`] puts a program.
pub(super) fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join("bin").join(name)
}
