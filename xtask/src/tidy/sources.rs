//! The source files: none too long, none forgotten, nothing left in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::finding::Finding;
use super::reach::{Reach, is_source};
use crate::workspace::Workspace;

/// Production lines of one file.
const LIMIT: usize = 600;

/// Reads every source file of the workspace.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let targets = workspace.packages.iter().flat_map(|package| &package.targets).map(|target| {
        let test = target.kind.iter().any(|kind| kind == "test" || kind == "bench");
        (target.src_path.clone(), test)
    });
    check_tree(&workspace.root, &workspace.target, targets)
}

/// The same, for a folder and the root files of its crates.
fn check_tree(
    folder: &Path,
    target: &Path,
    roots: impl IntoIterator<Item = (PathBuf, bool)>,
) -> Result<Vec<Finding>> {
    let mut reach = Reach::default();
    for (root, test) in roots {
        reach.follow(&root, test)?;
    }
    let folder = folder.canonicalize().context("cannot read the workspace's folder")?;
    let place = |path: &Path| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
    let mut findings = Vec::new();
    for (path, file) in &reach.files {
        let lines = file.production_lines;
        if !file.test && lines > LIMIT {
            let problem = format!("{lines} lines without tests, more than {LIMIT}");
            findings.push(Finding::new(place(path), problem, "split it: one idea to a file"));
        }
        for (line, what) in &file.leftovers {
            let fix = match *what {
                "#[ignore]" => "make it run, or make it a suite of its own that can be left out by name",
                "```ignore" => "make the example compile (`no_run` if it must not run), or mark it `text`",
                _ => "finish it, or return an error that says what is not supported yet",
            };
            findings.push(Finding::new(
                format!("{}:{line}", place(path)),
                format!("{what} was left here"),
                fix,
            ));
        }
    }
    for path in all_sources(&folder, target)? {
        if !reach.files.contains_key(&path) {
            let fix = "declare it with `mod`, or delete it";
            findings.push(Finding::new(
                place(&path),
                "no `mod` reaches this file: it is never compiled",
                fix,
            ));
        }
    }
    Ok(findings)
}

/// Every source file below `folder`, without hidden folders and build output.
fn all_sources(folder: &Path, target: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let built = path == target || entry.file_name() == "target";
            if kind.is_dir() && !hidden && !built {
                folders.push(path);
            } else if kind.is_file() && is_source(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
