//! A long build for people who do not want to read it: one line for each phase, the rest in a log file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

/// How much of the log an error shows.
const TAIL_LINES: usize = 20;

/// The phases of one build.
#[derive(Debug)]
pub(super) struct Phases {
    log: PathBuf,
}

impl Phases {
    /// Starts with an empty log.
    pub(super) fn new(log: PathBuf) -> Result<Phases> {
        File::create(&log).with_context(|| format!("cannot write the log {}", log.display()))?;
        eprintln!("    log: {}", log.display());
        Ok(Phases { log })
    }

    /// Says that a phase begins, does it, and says how long it took.
    pub(super) fn phase<T>(&self, about: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("    {about} ...");
        let start = Instant::now();
        let value = work()?;
        eprintln!("    {about}: {:.0} s", start.elapsed().as_secs_f64());
        Ok(value)
    }

    /// Runs a command of a phase. What it prints goes to the log, and an error shows the log's end.
    pub(super) fn run(&self, command: &mut Command) -> Result<()> {
        let log = File::options().append(true).open(&self.log).context("cannot open the log")?;
        let also = log.try_clone().context("cannot share the log")?;
        let program = command.get_program().display().to_string();
        let status = command.stdin(Stdio::null()).stdout(log).stderr(also).status();
        let status = status.with_context(|| format!("cannot start `{program}`: is it installed?"))?;
        let (log, tail) = (self.log.display(), || self.tail());
        ensure!(status.success(), "`{program}` failed: {status}. The end of {log}:\n{}", tail());
        Ok(())
    }

    fn tail(&self) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_else(|error| format!("(it cannot be read: {error})"));
        let lines: Vec<&str> = text.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL_LINES);
        lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}
