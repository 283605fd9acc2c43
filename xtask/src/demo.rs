//! `cargo xtask demo`: the tutorial, from nothing to its last answer.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{exec, tools};

/// Builds `postern` in release and runs its demo; the exit code is the demo's own.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    tools::rust::ensure(workspace)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--bin", "postern"]);
    // The parts of a cluster take a linker for the kernel's programs, and half as long again.
    if args.iter().any(|argument| argument == "--netns") {
        tools::bpffs::ensure()?;
        tools::bpf_linker::ensure(workspace)?;
    } else {
        build.arg("--no-default-features");
    }
    println!("building postern in release: some minutes the first time, seconds afterwards");
    exec::run(&mut build)?;
    let postern = workspace.target.join("release").join("postern");
    let status = Command::new(&postern)
        .arg("demo")
        .args(args)
        .current_dir(&workspace.root)
        .status()
        .with_context(|| format!("cannot start {}", postern.display()))?;
    // A demo that a signal ended has no code of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
