//! The load: `wrk` on a core of its own, bounded in time, to loopback only.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::exec;

/// What a stretch of load came to.
pub(super) struct Load {
    pub(super) requests: u32,
    pub(super) failed: u32,
}

impl Load {
    /// 32 connections, one thread.
    pub(super) fn run(url: &str, time: Duration) -> Result<Self> {
        let time = format!("{}s", time.as_secs());
        let printed =
            exec::output(Command::new("taskset").args(["-c", "1", "wrk", "-t1", "-c32", "-d", &time, url]))?;
        Self::parse(&printed).with_context(|| format!("wrk printed something else:\n{printed}"))
    }

    fn parse(printed: &str) -> Option<Self> {
        let requests = printed.lines().find_map(|line| {
            let (count, rest) = line.trim().split_once(' ')?;
            rest.starts_with("requests in").then(|| count.parse().ok())?
        })?;
        let failed = printed.lines().find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses: "));
        Some(Self { requests, failed: failed.map_or(Some(0), |count| count.parse().ok())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints() {
        let load =
            Load::parse("Running 2s test\n  41234 requests in 2.00s, 5MB read\nRequests/sec:  20617.00\n");
        let load = load.unwrap();
        assert_eq!((load.requests, load.failed), (41_234, 0));
        let load = Load::parse("  10 requests in 2.00s, 5MB read\n  Non-2xx or 3xx responses: 7\n").unwrap();
        assert_eq!(load.failed, 7);
        assert!(Load::parse("nothing").is_none());
    }
}
