//! The module's size: it goes over the network to every proxy, and V8 compiles it on each start.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::exec;
use crate::workspace::Workspace;

const LIMIT: u64 = 1024 * 1024;

/// Compares the size of the module that the release binary carries with the limit. The demo has built
/// that binary, so this costs nothing.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    exec::run(workspace.cargo().args(["build", "--release", "--bin", "postern", "--no-default-features"]))?;
    let folder = tempfile::tempdir().context("cannot make a folder for the module")?;
    let module = folder.path().join("postern_filter.wasm");
    let postern = workspace.target.join("release").join("postern");
    exec::run(Command::new(postern).args(["filter", "export", "-o"]).arg(&module))?;
    let size = fs::metadata(&module).context("`postern filter export` has written no module")?.len();
    println!("the module has {size} bytes, the limit is {LIMIT}");
    ensure!(
        size <= LIMIT,
        "the module has {size} bytes, more than {LIMIT}: look for what it has newly pulled in \
         (`cargo tree -p postern-filter --target {}`)",
        super::WASM
    );
    Ok(())
}
