//! `down`: removes a box, or all that `up` has made.

use anyhow::{Result, anyhow};

use super::RunArgs;
use crate::folder::Folder;
use crate::run::RunId;
use crate::traces;

pub(super) fn run(run: &RunArgs, all: bool) -> Result<()> {
    if !all {
        return match run.run {
            // Also one whose folder is gone, and other traces are not.
            Some(run) => remove(run),
            None => remove(run.run()?),
        };
    }
    let mut failed = Ok(());
    for run in traces::runs()? {
        if Folder::of(run).owner().is_ok_and(|owner| !owner.detached && owner.process.is_alive()) {
            eprintln!("run {run}: left alone, its test still runs");
            continue;
        }
        if let Err(error) = remove(run) {
            eprintln!("run {run}: {error:#}");
            failed = Err(anyhow!("not everything was removed"));
        }
    }
    failed
}

fn remove(run: RunId) -> Result<()> {
    eprintln!("run {run}: stopping its processes, removing namespaces and files");
    traces::remove(run)?;
    println!("run {run}: gone");
    Ok(())
}
