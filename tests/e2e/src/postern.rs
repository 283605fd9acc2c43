//! The `postern` binary, run to its end.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use postern_tests_harness::{eventually, programs};
use serde_json::Value;

/// No command of these suites takes nearly as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("standard output is not JSON: {self:#?}"))
    }

    /// Whether what a user sees is for users: no backtrace, no panic, and no colours, since nothing here is a terminal.
    #[must_use]
    pub fn is_presentable(&self) -> bool {
        let text = format!("{}{}", self.stdout, self.stderr);
        let lower = text.to_lowercase();
        !text.contains('\x1b') && !lower.contains("backtrace") && !lower.contains("panicked at")
    }
}

/// The binary with these arguments, in an environment that would bring out a backtrace.
pub fn command(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Command> {
    let mut command = Command::new(programs::postern()?);
    command.args(args).env("RUST_BACKTRACE", "1").env_remove("NO_COLOR").env_remove("RUST_LOG");
    Ok(command)
}

/// Runs `postern` with nothing on standard input.
pub fn postern(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Ran> {
    postern_with_input(args, "")
}

/// Runs `postern` with `input` on standard input.
pub fn postern_with_input(args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &str) -> Result<Ran> {
    let mut command = command(args)?;
    let dir = tempfile::tempdir().context("cannot make a folder for a command's output")?;
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = eventually(DEADLINE, || child.try_wait()?.context("it still runs"));
    if ended.is_err() {
        // Reaped, so that nothing outlives the test; that it did not end is the error.
        let _ = child.kill();
        let _ = child.wait();
    }
    let code = ended.with_context(|| format!("{command:?}"))?.code();
    let text = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Ran { code, stdout: text(&out)?, stderr: text(&err)? })
}
