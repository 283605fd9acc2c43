//! Named network namespaces.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::tool;

/// Where iproute2 keeps them.
const FOLDER: &str = "/run/netns";

/// A named network namespace. Dropping it removes the name, and with the last process the namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one whose loopback device is up.
    pub fn create(name: &str) -> Result<Namespace> {
        tool::output("ip", &["netns", "add", name])?;
        let namespace = Namespace { name: name.to_owned() };
        namespace.ip(["link set lo up"])?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        path(&self.name)
    }

    /// A command that will run in this namespace. Only the network changes: files and processes are the
    /// machine's (`ip netns exec` would hide bpffs and the cgroups), and the process id is the command's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        command_in(&self.name, program)
    }

    /// Runs lines of `ip` in this namespace.
    pub fn ip<T: AsRef<str>>(&self, lines: impl IntoIterator<Item = T>) -> Result<()> {
        let mut input = String::new();
        for line in lines {
            input.push_str(line.as_ref());
            input.push('\n');
        }
        let mut command = Command::new("ip");
        command.args(["-netns", &self.name, "-batch", "-"]);
        tool::run(&mut command, &input).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove_by_name(&self.name) {
            eprintln!("{error:#}");
        }
    }
}

/// A command that will run in the namespace of this name.
pub(crate) fn command_in(name: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", path(name).display())).arg("--").arg(program);
    command
}

/// Removes a namespace; one that is not there is no error.
pub(crate) fn remove_by_name(name: &str) -> Result<()> {
    if path(name).exists() {
        tool::output("ip", &["netns", "delete", name])?;
    }
    Ok(())
}

/// The names of all namespaces of this machine.
pub(crate) fn names() -> Result<Vec<String>> {
    let entries = match fs::read_dir(FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {FOLDER}"))?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

/// The inodes of the named namespaces, which is how a process's `/proc/PID/ns/net` tells where it is.
pub(crate) fn inodes<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<u64> {
    // One that vanished meanwhile has no process to look for.
    names.into_iter().filter_map(|name| fs::metadata(path(name)).ok()).map(|meta| meta.ino()).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}
