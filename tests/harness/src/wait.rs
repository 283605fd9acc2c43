//! Waiting for a condition with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Tries `attempt` until it succeeds, or fails with its last error once `deadline` has passed.
///
/// It is tried at least once, and once more after the deadline, so that a slow machine is not told
/// that something failed to happen which did.
pub fn eventually<T>(deadline: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        let last_try = Instant::now() >= end;
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if last_try => return Err(error).with_context(|| format!("waited {deadline:?}")),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn gives_the_value_of_the_first_success() {
        let mut tries = 0;
        let value = eventually(Duration::from_secs(5), || {
            tries += 1;
            if tries < 3 { bail!("not yet") } else { Ok(tries) }
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn carries_the_last_error() {
        let failed = eventually(Duration::ZERO, || -> Result<()> { bail!("still closed") }).unwrap_err();
        assert_eq!(format!("{failed:#}"), "waited 0ns: still closed");
    }
}
