//! Every member takes the workspace's lints.

use std::fs;

use anyhow::{Context as _, Result};

use super::finding::Finding;
use crate::workspace::Workspace;

/// Reads each member's manifest.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let place = workspace.relative(&package.manifest_path);
        let text =
            fs::read_to_string(&package.manifest_path).with_context(|| format!("cannot read {place}"))?;
        if !takes_lints(&text).with_context(|| format!("cannot parse {place}"))? {
            let fix = "add `[lints]` with `workspace = true`";
            findings.push(Finding::new(place, "this crate does not take the workspace's lints", fix));
        }
    }
    Ok(findings)
}

fn takes_lints(manifest: &str) -> Result<bool> {
    let manifest: toml::Table = toml::from_str(manifest)?;
    let workspace = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    Ok(workspace.and_then(toml::Value::as_bool) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_real_thing_counts() {
        assert!(takes_lints("[package]\nname = 'a'\n[lints]\nworkspace = true\n").unwrap());
        assert!(takes_lints("lints.workspace = true").unwrap());
        assert!(!takes_lints("[lints]\nworkspace = false\n").unwrap());
        assert!(!takes_lints("# [lints]\n# workspace = true\n[package]\nname = 'a'\n").unwrap());
        assert!(!takes_lints("[lints.rust]\nunsafe_code = 'deny'\n").unwrap());
    }
}
