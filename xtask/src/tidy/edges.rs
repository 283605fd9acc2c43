//! Every edge between two crates of the workspace is in the table.

use super::finding::Finding;
use super::table::{self, May};
use crate::workspace::{Dependency, Workspace};

const TABLE: &str = "xtask/src/tidy/table.rs";

/// Compares the declared dependencies with the table.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let folder = workspace.folder(package);
        let manifest = workspace.relative(&package.manifest_path);
        if table::row(&folder).is_none() {
            let fix = format!("add a row for it to {TABLE}, with the reason");
            findings.push(Finding::new(&manifest, "this crate is not in the table of dependencies", fix));
            continue;
        }
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else { continue };
            let target = workspace.relative(path);
            if let Some(problem) = refused(&folder, dependency, &target) {
                let fix = format!("remove the dependency, or change the row in {TABLE} and say why there");
                findings.push(Finding::new(&manifest, problem, fix));
            }
        }
    }
    findings
}

/// Why the edge from `folder` to `target` may not be, or `None` if it may.
fn refused(folder: &str, dependency: &Dependency, target: &str) -> Option<String> {
    let row = table::row(folder)?;
    let dev = dependency.kind.as_deref() == Some("dev");
    let allowed = match row.may {
        May::Any => true,
        May::Only(targets) => targets.contains(&target) || (dev && table::for_tests(folder, target)),
    };
    (!allowed).then(|| {
        let kind = dependency.kind.as_deref().unwrap_or("normal");
        format!("{folder} must not have {target} as a {kind} dependency: {}", row.why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(kind: Option<&str>) -> Dependency {
        Dependency { kind: kind.map(ToOwned::to_owned), path: None }
    }

    #[test]
    fn an_edge_of_the_table_is_allowed_and_another_is_not() {
        assert_eq!(refused("host", &edge(None), "host/vm"), None);
        assert_eq!(refused("tests/e2e", &edge(None), "cli"), None);
        let problem = refused("host/vm", &edge(None), "policy/core").unwrap();
        assert!(problem.contains("policy/core") && problem.contains("untrusted"), "{problem}");
        assert!(refused("policy/core", &edge(Some("build")), "xtask").is_some());
    }

    #[test]
    fn a_dev_dependency_may_be_on_tests_only() {
        assert_eq!(refused("policy/core", &edge(Some("dev")), "tests/corpus"), None);
        assert!(refused("policy/core", &edge(None), "tests/corpus").is_some());
        assert!(refused("policy/core", &edge(Some("dev")), "cli").is_some());
    }

    #[test]
    fn every_folder_that_a_row_allows_has_a_row() {
        for row in table::TABLE {
            let May::Only(targets) = row.may else { continue };
            for target in targets {
                assert!(table::row(target).is_some(), "{}: {target}", row.folder);
                assert!(!table::is_test(target), "{}: {target}", row.folder);
            }
        }
    }
}
