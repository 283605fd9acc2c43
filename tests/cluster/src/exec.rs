//! Running commands in pods.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folder::Folder;
use crate::net;

/// A command in a pod's network namespace. `pod` is a name, or the start of one up to a `-` if only one
/// pod's starts so (`app1` for `app1-…`); `NAMESPACE/` may stand before it, else the namespace is `default`.
/// Files and processes are the machine's.
pub(crate) fn command(folder: &Folder, pod: &str, program: impl AsRef<OsStr>) -> Result<Command> {
    let file = find(folder, pod)?;
    let path = folder.pods().join(&file);
    let namespace = fs::read_to_string(&path)
        .with_context(|| format!("pod {} does not run any more", file.replace('_', "/")))?;
    Ok(net::command_in(&namespace, program))
}

/// The running pods, as `NAMESPACE/NAME`.
pub(crate) fn running(folder: &Folder) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.pods()).context("cannot list the running pods")? {
        let name = entry.context("cannot list the running pods")?.file_name();
        names.push(name.to_string_lossy().replace('_', "/"));
    }
    names.sort();
    Ok(names)
}

/// Neither a namespace's name nor a pod's can have an underscore in it.
fn find(folder: &Folder, pod: &str) -> Result<String> {
    let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
    let running = running(folder)?;
    let exact = format!("{namespace}/{name}");
    let start = format!("{exact}-");
    let found: Vec<&String> =
        running.iter().filter(|running| **running == exact || running.starts_with(&start)).collect();
    match found.as_slice() {
        [only] => Ok(only.replace('/', "_")),
        several if several.iter().any(|found| **found == exact) => Ok(exact.replace('/', "_")),
        [] => bail!("no pod '{pod}' runs; these do: {}", running.join(", ")),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            bail!("'{pod}' may be any of {}", names.join(", "))
        }
    }
}
