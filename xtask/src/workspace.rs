//! The workspace as cargo describes it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::exec;

/// What `cargo metadata --no-deps` says, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The folder of the workspace.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds to.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// The members.
    pub(crate) packages: Vec<Package>,
}

/// A member.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest_path: PathBuf,
    /// What it declares to depend on.
    pub(crate) dependencies: Vec<Dependency>,
    /// What it builds.
    pub(crate) targets: Vec<Target>,
}

/// A declared dependency.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// The folder, for a dependency of this workspace.
    pub(crate) path: Option<PathBuf>,
}

/// A library, binary, test, …
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    /// The target's name.
    pub(crate) name: String,
    /// `lib`, `cdylib`, `bin`, `test`, `bench`, `example`, `custom-build`.
    pub(crate) kind: Vec<String>,
    /// Its root file.
    pub(crate) src_path: PathBuf,
    /// Whether `cargo test` runs it.
    pub(crate) test: bool,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Workspace> {
        // Cargo sets this for what it runs, and it names this crate's folder in the tree that is meant.
        let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let mut command = cargo_in(&here);
        let text = exec::output(command.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&text).context("cannot read what `cargo metadata` printed")
    }

    /// Cargo, in the workspace's folder.
    pub(crate) fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// The folder of a member, relative to the root, with `/` between its parts.
    pub(crate) fn folder(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        self.relative(folder)
    }

    /// A path relative to the root.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}
