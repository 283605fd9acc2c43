//! What a run leaves on the machine, and removing it.
//!
//! Everything a box makes has a name with its run in it, or is a process that was written down, bears the
//! run's mark, or is in one of its namespaces. So it can be found, and removed, by anyone who knows the run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::folder::Folder;
use crate::net;
use crate::proc::{self, ProcessId};
use crate::run::RunId;

/// Where BPF objects are pinned.
const BPFFS: &str = "/sys/fs/bpf";
/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything of one run that is on the machine. Rules, routes and nftables tables of a run are in its
/// namespaces and go with them: a box makes none on the machine itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Processes.
    pub processes: Vec<ProcessId>,
    /// Named network namespaces.
    pub namespaces: Vec<String>,
    /// Devices outside of them.
    pub devices: Vec<String>,
    /// Folders with pinned BPF objects.
    pub pins: Vec<PathBuf>,
    /// The folder of the run.
    pub folder: Option<PathBuf>,
}

impl Traces {
    /// Looks for everything of `run`.
    pub fn of(run: RunId) -> Result<Traces> {
        let mine = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| RunId::of(name) == Some(run)).collect()
        };
        let namespaces = mine(net::names()?);
        let devices = mine(net::devices()?);
        let folder = Folder::of(run);
        let mut processes = proc::members(run, &net::inodes(&namespaces))?;
        let recorded = folder.processes()?.into_iter().map(|(_, process)| process);
        processes.extend(recorded.filter(|process| process.is_alive()));
        processes.sort();
        processes.dedup();
        Ok(Traces {
            processes,
            namespaces,
            devices,
            pins: pins(run)?,
            folder: folder.exists().then(|| folder.join("")),
        })
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Traces::default()
    }
}

/// The folder in bpffs for one node of a run.
#[must_use]
pub fn pin_folder(run: RunId, node: &str) -> PathBuf {
    Path::new(BPFFS).join(format!("{}{node}", pin_prefix(run)))
}

fn pin_prefix(run: RunId) -> String {
    format!("postern-{run}-")
}

fn pins(run: RunId) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(BPFFS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {BPFFS}"))?,
    };
    let prefix = pin_prefix(run);
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {BPFFS}"))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Every run that has left a name on the machine, sorted.
pub fn runs() -> Result<Vec<RunId>> {
    let mut runs = Folder::runs()?;
    runs.extend(net::names()?.iter().chain(&net::devices()?).filter_map(|name| RunId::of(name)));
    runs.sort();
    runs.dedup();
    Ok(runs)
}

/// Removes everything of a run, whoever made it and however it ended, and checks that it is gone.
/// A live owner is asked to do it first. The calling process is never ended.
pub fn remove(run: RunId) -> Result<()> {
    let folder = Folder::of(run);
    if let Ok(owner) = folder.owner()
        && owner.process.pid != std::process::id()
    {
        let test = owner.process.is_alive() && !owner.detached;
        ensure!(!test, "run {run} is that of a test which still runs, process {}", owner.process.pid);
        owner.process.signal("TERM")?;
        // One that does not listen is killed below.
        let _ = owner.process.wait(PATIENCE);
    }
    sweep(run)
}

/// The same without asking the owner.
pub(crate) fn sweep(run: RunId) -> Result<()> {
    let traces = Traces::of(run)?;
    let own = std::process::id();
    for process in traces.processes.iter().filter(|process| process.pid != own) {
        process.signal("KILL")?;
    }
    for process in traces.processes.iter().filter(|process| process.pid != own) {
        process.wait(PATIENCE)?;
    }
    for name in &traces.devices {
        net::remove_device(name)?;
    }
    for name in &traces.namespaces {
        net::remove_by_name(name)?;
    }
    for path in &traces.pins {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Folder::of(run).remove()?;
    let left = Traces::of(run)?;
    ensure!(left.is_empty(), "this is left of run {run}: {left:?}");
    Ok(())
}
