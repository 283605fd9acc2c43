//! `up`: starts a supervisor and follows it until the box is ready.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use postern_tests_harness::eventually;
use tempfile::NamedTempFile;

use super::{UpArgs, guide};
use crate::folder::{Facts, Folder};
use crate::proc::MARK;
use crate::run::RunId;
use crate::subnets::Subnets;
use crate::traces;

const TRIES: usize = 20;
/// Everything together; each step has a shorter one of its own.
const DEADLINE: Duration = Duration::from_secs(300);

pub(super) fn run(args: &UpArgs) -> Result<()> {
    let run = args.run.map_or_else(free, Ok)?;
    let folder = Folder::of(run);
    if folder.exists() {
        bail!("run {run} is up already; `cargo xtask cluster down --run {run}` removes it");
    }
    let said = NamedTempFile::new().context("cannot make a temporary file")?;
    let mut reader = said.reopen().context("cannot open a temporary file again")?;
    let mut child = start(args, run, said.into_file())?;
    let ready = eventually(DEADLINE, || {
        copy(&mut reader)?;
        match child.try_wait().context("cannot wait for the supervisor")? {
            // Its last words came after the copy.
            Some(status) => copy(&mut reader).map(|()| Err(status)),
            None => folder.facts().map(Ok),
        }
    });
    match ready {
        Ok(Ok(facts)) => show(run, &facts),
        // It has removed everything.
        Ok(Err(status)) => bail!("the cluster was not started: {status}"),
        Err(error) => {
            traces::remove(run)?;
            Err(error)
        }
    }
}

/// A run that nobody has.
fn free() -> Result<RunId> {
    let mut last = None;
    for run in (0..TRIES).map(|_| RunId::random()) {
        match Subnets::of(run).check_free() {
            Ok(()) if !Folder::of(run).exists() => return Ok(run),
            Ok(()) => {}
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no run is free")))
}

/// In a session of its own, so that it outlives the terminal.
fn start(args: &UpArgs, run: RunId, output: File) -> Result<Child> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let also = output.try_clone().context("cannot share a temporary file")?;
    let mut command = Command::new("setsid");
    command.arg(program).arg("supervise").args(args.args(run));
    // Everything it starts bears the mark too, and keeps its temporary files where `down` removes them.
    command.env(MARK, run.to_string()).env("TMPDIR", Folder::of(run).scratch());
    command.current_dir("/").stdin(Stdio::null()).stdout(also).stderr(output);
    command.spawn().context("cannot start the supervisor")
}

fn copy(reader: &mut File) -> Result<()> {
    let mut text = Vec::new();
    reader.read_to_end(&mut text).context("cannot read what the supervisor says")?;
    std::io::stderr().write_all(&text).context("cannot print what the supervisor says")
}

fn show(run: RunId, facts: &Facts) -> Result<()> {
    print!("{}", guide::text(run, facts));
    std::io::stdout().flush().context("cannot print")
}
