//! `cargo xtask tidy`: what no compiler checks.

mod edges;
mod finding;
mod lexer;
mod manifests;
mod outside;
mod reach;
mod scan;
mod sources;
mod table;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use finding::Finding;

/// Runs every check and prints what each has found.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let findings: Vec<Finding> = [
        edges::check(workspace),
        outside::check(workspace)?,
        manifests::check(workspace)?,
        sources::check(workspace)?,
    ]
    .concat();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} crates, nothing found", workspace.packages.len()),
        count => bail!("tidy has found {count} {}", if count == 1 { "problem" } else { "problems" }),
    }
    Ok(())
}
