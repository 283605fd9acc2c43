//! cargo-deny: reads the licences, versions and sources of every dependency.

use std::path::PathBuf;

use anyhow::Result;

use super::cache::{self, Entry};
use super::crates;
use crate::workspace::Workspace;

pub(super) const NAME: &str = "cargo-deny";
pub(super) const VERSION: &str = "0.20.2";

const ENTRY: Entry = Entry { name: NAME, version: VERSION, cost: "built from source, 1 to 2 minutes" };

pub(super) fn find() -> Result<Option<PathBuf>> {
    Ok(cache::find(&cache::folder()?, &ENTRY).map(|folder| crates::program(&folder, NAME)))
}

/// The program, installed if need be.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let install = |folder: &std::path::Path| crates::install(workspace, NAME, VERSION, folder);
    cache::ensure(&cache::folder()?, &ENTRY, install).map(|folder| crates::program(&folder, NAME))
}
