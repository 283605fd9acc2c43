//! A child process whose output is kept and which ends with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::wait::eventually;

/// How much of a log an error shows.
const TAIL_LINES: usize = 40;

/// A running child with a folder of its own. Dropping it kills the child by its id and reaps it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    dir: TempDir,
}

impl Process {
    /// Starts `command` with standard output and error going to a log file. `name` is for errors.
    pub fn start(name: &str, command: Command) -> Result<Process> {
        let dir = tempfile::tempdir().context("cannot make a folder for a child process")?;
        Self::start_in(name, command, dir)
    }

    /// The same in a folder that the caller has put files into.
    pub fn start_in(name: &str, mut command: Command, dir: TempDir) -> Result<Process> {
        let log = File::create(log_path(&dir)).context("cannot create the log of a child process")?;
        let also = log.try_clone().context("cannot share the log of a child process")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(also)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Process { name: name.to_owned(), child, dir })
    }

    /// The child's folder, removed when this value is dropped.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything the child has printed so far, on both streams.
    pub fn log(&self) -> String {
        fs::read(log_path(&self.dir))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `ready` succeeds. Fails at once, with the end of the log, when the child ends first.
    pub fn wait_until<T>(
        &mut self,
        deadline: Duration,
        mut ready: impl FnMut(&Process) -> Result<T>,
    ) -> Result<T> {
        // The outer error ends the wait; the inner one is "not yet".
        let waited = eventually(deadline, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(Err(status)),
            Ok(None) => ready(self).map(Ok),
            Err(error) => Err(error.into()),
        });
        match waited {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(status)) => bail!("{} ended with {status}. Its log:\n{}", self.name, self.log_tail()),
            Err(error) => {
                Err(error.context(format!("{} is not ready. Its log:\n{}", self.name, self.log_tail())))
            }
        }
    }

    /// Waits until a line of the log contains `text`, and gives that line.
    pub fn wait_for_log(&mut self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_until(deadline, |process| {
            let log = process.log();
            let line = log.lines().find(|line| line.contains(text));
            line.map(ToOwned::to_owned).with_context(|| format!("no line of the log contains '{text}'"))
        })
    }

    /// Waits until the child has ended by itself.
    pub fn wait_for_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let status = eventually(deadline, || {
            let status = self.child.try_wait().context("cannot wait for the child")?;
            status.with_context(|| format!("{} still runs", self.name))
        });
        status.with_context(|| format!("its log:\n{}", self.log_tail()))
    }

    fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child has ended and was reaped, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_path(dir: &TempDir) -> PathBuf {
    dir.path().join("log")
}

/// The last lines of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
