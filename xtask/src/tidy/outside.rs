//! Nothing that a crate must never see is anywhere below it, however it got there.

use anyhow::Result;

use super::finding::Finding;
use super::table;
use crate::exec;
use crate::workspace::Workspace;

/// Asks cargo for what each crate pulls in by itself. The metadata of the whole workspace would not do:
/// there, a feature that one crate turns on shows up below all of them.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let folder = workspace.folder(package);
        let Some(row) = table::row(&folder).filter(|row| !row.never.is_empty()) else { continue };
        let mut tree = workspace.cargo();
        tree.args(["tree", "-p", &package.name, "--edges", "normal,build", "--target", "all"]);
        let printed = exec::output(tree.args(["--prefix", "none", "--format", "{p}"]))?;
        for name in forbidden(&printed, row.never) {
            let problem = format!("{folder} must never see `{name}`: {}", row.why);
            let fix = format!("`cargo tree -p {} --target all -i {name}` shows how it got in", package.name);
            findings.push(Finding::new(workspace.relative(&package.manifest_path), problem, fix));
        }
    }
    Ok(findings)
}

/// The packages of a printed tree that are on the list, each once. The first line is the crate itself.
fn forbidden(tree: &str, never: &[&str]) -> Vec<String> {
    let names = tree.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let matches = |name: &str, stem: &&str| {
        let rest = name.strip_prefix(stem);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    let mut found: Vec<String> =
        names.filter(|name| never.iter().any(|stem| matches(name, stem))).map(ToOwned::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_found_at_any_depth_and_once() {
        let tree = "postern-host-vm v0.1.0 (path)\nkube-client v1.0.0\ntokio v1.0.0\nkube-client v1.0.0 (*)\nkubernetes v1.0.0\n";
        assert_eq!(forbidden(tree, &["kube", "serde"]), ["kube-client"]);
    }

    #[test]
    fn serde_stands_for_its_formats_too() {
        assert_eq!(
            forbidden("me v1\nserde_json v1\nserde_core v1\n", &["serde"]),
            ["serde_core", "serde_json"]
        );
    }
}
