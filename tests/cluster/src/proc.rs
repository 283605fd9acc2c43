//! Processes of this machine, and how one is known to be ours.
//!
//! A process id alone is not: it may have been given to another process since. The id together with the
//! time at which the process started is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::eventually;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::run::RunId;
use crate::tool;

/// In the environment of every process of a box.
pub(crate) const MARK: &str = "POSTERN_CLUSTER_RUN";

/// One process, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Result<ProcessId> {
        let (_, started) = stat(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(ProcessId { pid, started })
    }

    /// This process.
    pub fn own() -> Result<ProcessId> {
        ProcessId::of(std::process::id())
    }

    /// Whether it runs. One that has ended and waits to be asked why does not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Sends it a signal by its name, if it still runs.
    pub fn signal(self, name: &str) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        let sent = tool::signal(self.pid, name);
        if self.is_alive() { sent } else { Ok(()) }
    }

    /// Waits for its end.
    pub fn wait(self, deadline: Duration) -> Result<()> {
        eventually(deadline, || {
            ensure!(!self.is_alive(), "process {} still runs", self.pid);
            Ok(())
        })
    }
}

/// State and start time, fields 3 and 22 of `/proc/PID/stat`. The second field may contain anything.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// The processes that bear the mark of `run`, or are in one of these network namespaces; never this one.
pub(crate) fn members(run: RunId, namespaces: &BTreeSet<u64>) -> Result<Vec<ProcessId>> {
    let mark = format!("{MARK}={run}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let name = entry.context("cannot list processes")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Each may end while it is looked at, which makes it none of ours. The id comes first: what is then
        // read belongs to it, or the signal finds that it does not.
        let Ok(process) = ProcessId::of(pid) else { continue };
        if pid == std::process::id() || !process.is_alive() {
            continue;
        }
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let inside = fs::metadata(format!("/proc/{pid}/ns/net"));
        if marked || inside.is_ok_and(|meta| namespaces.contains(&meta.ino())) {
            found.push(process);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_has_ended_is_not_alive_and_is_sent_nothing() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = ProcessId::of(child.id()).unwrap();
        assert!(process.is_alive());
        let other = ProcessId { started: process.started + 1, ..process };
        assert!(!other.is_alive());
        other.signal("KILL").unwrap();
        assert!(process.is_alive());
        process.signal("KILL").unwrap();
        process.wait(Duration::from_secs(10)).unwrap();
        child.wait().unwrap();
        assert!(ProcessId::of(child.id()).is_err());
    }

    #[test]
    fn a_marked_process_is_found_by_its_mark() {
        let run: RunId = "0000".parse().unwrap();
        let mut child = Command::new("sleep").arg("600").env(MARK, "0000").spawn().unwrap();
        let found = members(run, &BTreeSet::new()).unwrap();
        child.kill().unwrap();
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [child.id()]);
        child.wait().unwrap();
    }
}
