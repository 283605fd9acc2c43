//! The Rust toolchain with its components and targets.
//!
//! `rust-toolchain.toml` alone installs nothing where rustup's automatic installation is turned off.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::exec;
use crate::workspace::Workspace;

/// What `rust-toolchain.toml` asks for.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) channel: String,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    toolchain: Wanted,
}

impl Wanted {
    pub(crate) fn read(workspace: &Workspace) -> Result<Wanted> {
        let path = workspace.root.join("rust-toolchain.toml");
        let text = fs::read_to_string(&path).context("cannot read rust-toolchain.toml")?;
        Wanted::parse(&text)
    }

    fn parse(text: &str) -> Result<Wanted> {
        let file: File = toml::from_str(text).context("rust-toolchain.toml is not as expected")?;
        Ok(file.toolchain)
    }

    /// What is not installed, as a person would call it.
    fn missing(&self) -> Vec<String> {
        let installed = |kind: &str| {
            let channel = self.channel.as_str();
            exec::output(rustup().args([kind, "list", "--installed", "--toolchain", channel]))
                .unwrap_or_default()
        };
        let (components, targets) = (installed("component"), installed("target"));
        let components = self.components.iter().filter(|name| !lists(&components, name));
        let targets = self.targets.iter().filter(|name| !lists(&targets, name));
        components.chain(targets).cloned().collect()
    }
}

/// A component that is a program is listed with the host's name behind it, as
/// `clippy-x86_64-unknown-linux-gnu`; one that is text is not.
fn lists(installed: &str, name: &str) -> bool {
    installed
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .any(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn rustup() -> Command {
    Command::new("rustup")
}

/// The toolchain's folder, if all of it is installed.
pub(super) fn find(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let wanted = Wanted::read(workspace)?;
    if !wanted.missing().is_empty() {
        return Ok(None);
    }
    let rustc = exec::output(rustup().args(["which", "rustc", "--toolchain", &wanted.channel]))?;
    let rustc = PathBuf::from(rustc.trim());
    Ok(rustc.ancestors().nth(2).map(PathBuf::from))
}

/// Installs what is missing.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let wanted = Wanted::read(workspace)?;
    exec::output(rustup().arg("--version"))
        .context("rustup manages the toolchain of this project: install it from https://rustup.rs")?;
    let missing = wanted.missing();
    if missing.is_empty() {
        eprintln!("rust {}: ready", wanted.channel);
        return Ok(());
    }
    eprintln!("rust {}: installing {} (by rustup, up to a minute)", wanted.channel, missing.join(", "));
    let mut command = rustup();
    command.args(["toolchain", "install", &wanted.channel, "--profile", "minimal", "--no-self-update"]);
    for component in &wanted.components {
        command.args(["--component", component]);
    }
    for target in &wanted.targets {
        command.args(["--target", target]);
    }
    exec::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_file_is_read() {
        let text =
            "[toolchain]\nchannel = \"1.95.0\"\ncomponents = [\"clippy\"]\ntargets = [\"wasm32-wasip1\"]\n";
        let wanted = Wanted::parse(text).unwrap();
        assert_eq!(wanted.channel, "1.95.0");
        assert_eq!(
            (wanted.components, wanted.targets),
            (vec!["clippy".into()], vec!["wasm32-wasip1".into()])
        );
    }

    #[test]
    fn a_listed_component_may_have_the_host_behind_its_name() {
        let installed = "cargo-x86_64\nclippy-x86_64-unknown-linux-gnu\nrust-src\n";
        assert!(lists(installed, "clippy") && lists(installed, "rust-src"));
        assert!(!lists(installed, "rustfmt") && !lists(installed, "car"));
    }
}
