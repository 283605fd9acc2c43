//! A process of a box that can be killed and started again, with a log that goes on.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use postern_tests_harness::eventually;

use crate::folder::Folder;
use crate::proc::{MARK, ProcessId};
use crate::run::RunId;

/// How long a process may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
const TAIL_LINES: usize = 60;

/// Where processes belong to.
#[derive(Debug, Clone)]
pub struct Home {
    /// The run.
    pub run: RunId,
    /// Its folder.
    pub folder: Folder,
}

impl Home {
    /// Starts a process that is written down in the folder and bears the run's mark. Its output is appended
    /// to the log `name`.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<Child> {
        let path = self.log_path(name);
        let log = OpenOptions::new().append(true).create(true).open(&path);
        let log = log.with_context(|| format!("cannot write to {}", path.display()))?;
        let also = log.try_clone().context("cannot share a log")?;
        let child = command
            .env(MARK, self.run.to_string())
            .stdin(Stdio::null())
            .stdout(also)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        self.folder.record(name, ProcessId::of(child.id())?)?;
        Ok(child)
    }

    /// The log of the process of this name.
    #[must_use]
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.folder.logs().join(format!("{name}.log"))
    }
}

/// A process and how to start it. Dropping it kills it.
pub struct Daemon {
    name: String,
    home: Home,
    make: Box<dyn Fn() -> Result<Command> + Send>,
    child: Option<Child>,
}

impl Daemon {
    /// Starts it.
    pub fn start(
        name: &str,
        home: &Home,
        make: impl Fn() -> Result<Command> + Send + 'static,
    ) -> Result<Daemon> {
        let mut daemon =
            Daemon { name: name.to_owned(), home: home.clone(), make: Box::new(make), child: None };
        daemon.restart()?;
        Ok(daemon)
    }

    /// Its name, and its log's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, while it is meant to run.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it by SIGKILL and waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).with_context(|| format!("cannot kill {}", self.name))?;
        }
        Ok(())
    }

    /// Asks it to end by SIGTERM and waits for it.
    pub fn terminate(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            ProcessId::of(child.id())?.signal("TERM")?;
            let ended = eventually(PATIENCE, || child.try_wait()?.context("it still runs"));
            if let Err(error) = ended {
                child.kill().and_then(|()| child.wait())?;
                return Err(error.context(format!("{} does not end by SIGTERM", self.name)));
            }
        }
        Ok(())
    }

    /// Kills it, if it runs, and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.child = Some(self.home.spawn(&self.name, (self.make)()?)?);
        Ok(())
    }

    /// Waits until `ready` succeeds; fails at once, with the end of the log, when the process ends first.
    pub fn wait_until<T>(&mut self, deadline: Duration, mut ready: impl FnMut() -> Result<T>) -> Result<T> {
        let child = self.child.as_mut().with_context(|| format!("{} was not started", self.name))?;
        let waited = eventually(deadline, || match child.try_wait()? {
            Some(status) => Ok(Err(status)),
            None => ready().map(Ok),
        });
        match waited {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(status)) => bail!("{} ended with {status}. Its log:\n{}", self.name, self.log_tail()),
            Err(error) => {
                Err(error.context(format!("{} is not ready. Its log:\n{}", self.name, self.log_tail())))
            }
        }
    }

    /// Everything it has printed so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.home.log_path(&self.name))
    }

    fn log_tail(&self) -> String {
        tail(&self.log(), TAIL_LINES)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error:#}");
        }
    }
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").field("name", &self.name).field("child", &self.child).finish_non_exhaustive()
    }
}

/// A log's text; empty when there is none.
pub(crate) fn read_log(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(lines);
    all.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}
