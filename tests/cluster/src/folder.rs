//! The folder of a run, `/run/postern-cluster/<run>`: what other programs need to know of a box, its
//! logs, and which processes it has started, so that `down` works even when its owner was killed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::proc::ProcessId;
use crate::run::RunId;

/// Only root can write there, and only root can make a box.
const BASE: &str = "/run/postern-cluster";
const PROCESSES: &str = "processes";
const OWNER: &str = "owner.json";
const FACTS: &str = "facts.json";

/// A run's folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// Who keeps a box.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Owner {
    /// The process whose end is the box's end.
    pub process: ProcessId,
    /// Whether it is the one that `up` leaves behind, and not a test.
    pub detached: bool,
}

/// What is true of a box that is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    /// An administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The kubectl that goes with the server.
    pub kubectl: PathBuf,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// Whether controller, agents and proxies run.
    pub daemons: bool,
}

impl Folder {
    /// Makes the folder of `run`, which claims the run: there is none before and one afterwards.
    pub fn claim(run: RunId, owner: Owner) -> Result<Folder> {
        let folder = Folder::of(run);
        let private = |recursive| {
            let mut builder = DirBuilder::new();
            builder.mode(0o700).recursive(recursive);
            builder
        };
        let make = || {
            private(true).create(BASE)?;
            private(false).create(&folder.path)
        };
        // The last box to go takes the base along, perhaps just now.
        let again = |made: io::Result<()>| match made {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(),
            made => made,
        };
        match again(again(make())) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!("run {run} exists already; `cargo xtask cluster down --run {run}` removes it")
            }
            made => {
                made.with_context(|| format!("cannot make {}: a box needs root", folder.path.display()))?;
            }
        }
        private(true).create(folder.logs()).context("cannot make a folder for logs")?;
        private(true).create(folder.pods()).context("cannot make a folder for pods")?;
        private(true).create(folder.scratch()).context("cannot make a folder for temporary files")?;
        folder.write(OWNER, &owner)?;
        Ok(folder)
    }

    /// The folder of `run`, whether it exists or not.
    #[must_use]
    pub fn of(run: RunId) -> Folder {
        Folder { path: Path::new(BASE).join(run.to_string()) }
    }

    /// Whether the run exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Every run that has a folder.
    pub fn runs() -> Result<Vec<RunId>> {
        let entries = match fs::read_dir(BASE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot list {BASE}"))?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.with_context(|| format!("cannot list {BASE}"))?.file_name();
            let name = name.to_string_lossy();
            runs.push(name.parse().with_context(|| format!("{BASE} has something that is no run"))?);
        }
        runs.sort();
        Ok(runs)
    }

    /// The path of a file in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Where the logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.join("logs")
    }

    /// A file for each running pod, `NAMESPACE_NAME`, with the name of its network namespace.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.join("pods")
    }

    /// Where a detached box has its temporary files, so that they go with it.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.join("tmp")
    }

    /// Writes down a process that was started, at once.
    pub fn record(&self, name: &str, process: ProcessId) -> Result<()> {
        let path = self.join(PROCESSES);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let line = format!("{} {} {name}\n", process.pid, process.started);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("cannot write to {}", path.display()))
    }

    /// Every process that was written down, with its name.
    pub fn processes(&self) -> Result<Vec<(String, ProcessId)>> {
        let path = self.join(PROCESSES);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let parsed = text.lines().map(|line| {
            let mut words = line.splitn(3, ' ');
            let process =
                ProcessId { pid: words.next()?.parse().ok()?, started: words.next()?.parse().ok()? };
            Some((words.next()?.to_owned(), process))
        });
        // The last line is torn when its writer was killed; the process is found by its mark then.
        Ok(parsed.flatten().collect())
    }

    /// Who keeps it.
    pub fn owner(&self) -> Result<Owner> {
        self.read(OWNER)
    }

    /// Says that the box is ready.
    pub fn publish(&self, facts: &Facts) -> Result<()> {
        self.write(FACTS, facts)
    }

    /// What is true of it; an error while it is not ready.
    pub fn facts(&self) -> Result<Facts> {
        self.read(FACTS).context("the box is not ready")
    }

    /// Removes the folder.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("cannot remove {}", self.path.display()))?,
        }
        // Stays as long as there is another.
        let _ = fs::remove_dir(BASE);
        Ok(())
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.join(name);
        let draft = self.join(format!("{name}.draft"));
        let text = serde_json::to_vec_pretty(value)?;
        let written = File::create(&draft).and_then(|mut file| file.write_all(&text));
        written
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot understand {}", path.display()))
    }
}
