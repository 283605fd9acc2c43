//! `status`: what is up.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result};

use crate::exec;
use crate::folder::{Folder, Owner};
use crate::run::RunId;

pub(super) fn run() -> Result<()> {
    let runs = Folder::runs()?;
    let mut text = String::new();
    if runs.is_empty() {
        text.push_str("no cluster is up\n");
    }
    for run in runs {
        show(run, &mut text)?;
    }
    std::io::stdout().write_all(text.as_bytes()).context("cannot print")
}

fn show(run: RunId, text: &mut String) -> Result<()> {
    let folder = Folder::of(run);
    writeln!(text, "run {run}: {}", state(&folder))?;
    if let Ok(facts) = folder.facts() {
        writeln!(text, "  KUBECONFIG={}", facts.kubeconfig.display())?;
        writeln!(text, "  logs: {}", folder.logs().display())?;
        for pod in exec::running(&folder)? {
            writeln!(text, "  pod {pod}")?;
        }
    }
    for (name, process) in folder.processes()? {
        // Pods' processes are the pods; others that have ended may have been started again since.
        if !name.starts_with("pod_") && process.is_alive() {
            writeln!(text, "  process {} {name}", process.pid)?;
        }
    }
    Ok(())
}

fn state(folder: &Folder) -> String {
    match folder.owner() {
        Err(_) => "broken: `down` removes it".to_owned(),
        Ok(Owner { process, .. }) if !process.is_alive() => {
            "its owner was killed: `down` removes it".to_owned()
        }
        Ok(Owner { process, detached: false }) => format!("of a test, process {}", process.pid),
        Ok(Owner { process, .. }) => match folder.facts() {
            Ok(facts) => format!("up, {} nodes, supervisor {}", facts.nodes.len(), process.pid),
            Err(_) => format!("starting, supervisor {}", process.pid),
        },
    }
}
