//! CPU time.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Linux counts the machine's CPU time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of all threads of a process, to the nanosecond. On kernels that do not account for interrupts apart
/// (`CONFIG_IRQ_TIME_ACCOUNTING`), what the network does inside of a thread's system calls is in it.
pub(crate) fn of_process(pid: &str) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut sum = 0;
    for thread in fs::read_dir(&folder).with_context(|| format!("process {pid} has ended"))? {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let first = text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok());
        sum += first.with_context(|| format!("{} is not as expected", path.display()))?;
    }
    Ok(Duration::from_nanos(sum))
}

/// The kernel's threads that do what the network has put off.
pub(crate) fn network_threads() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let path = entry?.path();
        // Most of what is in there is no process, and one may end at any time.
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        if name.starts_with("ksoftirqd/") {
            found.extend(path.file_name().map(|pid| pid.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// How long all processors of the machine together were busy, whoever it was for.
pub(crate) fn of_machine() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let fields: Result<Vec<u32>, _> = line.split_whitespace().skip(1).map(str::parse).collect();
    let fields = fields.context("/proc/stat is not as expected")?;
    // user, nice, system, idle, iowait, irq, softirq; the rest is other machines' or counted already.
    let busy = fields.iter().take(7).enumerate().filter(|(field, _)| ![3, 4].contains(field));
    Ok(busy.map(|(_, ticks)| TICK * *ticks).sum())
}
