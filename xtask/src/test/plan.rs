//! Which test target runs in which suite.

use anyhow::{Result, bail};

use super::suites::{Runs, SUITES, Suite};
use crate::workspace::Workspace;

/// What there is to run.
#[derive(Debug)]
pub(super) struct Plan {
    /// Packages that cargo must leave out because they run only inside something else.
    guests: Vec<String>,
    /// Test targets, each with the name of its suite.
    targets: Vec<(String, &'static str)>,
}

impl Plan {
    /// Sorts the workspace's test targets into suites.
    pub(super) fn of(workspace: &Workspace) -> Result<Plan> {
        let mut plan = Plan { guests: Vec::new(), targets: Vec::new() };
        for package in &workspace.packages {
            if package.targets.iter().all(|target| !target.test) {
                plan.guests.push(package.name.clone());
            }
            let folder = workspace.folder(package);
            for target in
                package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test"))
            {
                plan.add(&target.name, suite_of(&folder, &target.name))?;
            }
        }
        Ok(plan)
    }

    fn add(&mut self, target: &str, suite: &'static str) -> Result<()> {
        match self.targets.iter().find(|(name, _)| name == target) {
            // Cargo picks test targets by name in all packages at once, so one name is one suite.
            Some((_, other)) if *other != suite => bail!(
                "the test target `{target}` exists in the suites {other} and {suite}: rename one of the files"
            ),
            Some(_) => {}
            None => self.targets.push((target.to_owned(), suite)),
        }
        Ok(())
    }

    /// The arguments that name the packages.
    pub(super) fn packages(&self) -> Vec<String> {
        let guests = self.guests.iter().flat_map(|name| ["--exclude".to_owned(), name.clone()]);
        ["--workspace".to_owned()].into_iter().chain(guests).collect()
    }

    /// The arguments that make `cargo test` run a suite.
    pub(super) fn arguments(&self, suite: &Suite) -> Vec<String> {
        let units = match suite.runs {
            Runs::UnitsAnd(_) => ["--lib", "--bins"].as_slice(),
            Runs::Doc => ["--doc"].as_slice(),
            Runs::Targets(_) => [].as_slice(),
        };
        let targets = self.targets.iter().filter(|(_, owner)| *owner == suite.name);
        let targets = targets.flat_map(|(name, _)| ["--test".to_owned(), name.clone()]);
        self.packages().into_iter().chain(units.iter().map(ToString::to_string)).chain(targets).collect()
    }

    /// Whether a suite has nothing to run: its targets are yet to be written.
    pub(super) fn is_empty(&self, suite: &Suite) -> bool {
        matches!(suite.runs, Runs::Targets(_)) && self.targets.iter().all(|(_, owner)| *owner != suite.name)
    }
}

fn suite_of(folder: &str, target: &str) -> &'static str {
    let claims = SUITES.iter().filter_map(|suite| {
        let targets = suite.targets()?;
        let claimed = folder.starts_with(targets.folder) && target.starts_with(targets.prefix);
        claimed.then_some(((targets.prefix.len(), targets.folder.len()), suite.name))
    });
    // The first row claims everything, so there is always one.
    claims.max_by_key(|(weight, _)| *weight).map_or("unit", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_goes_to_the_row_that_names_it_best() {
        assert_eq!(suite_of("cli", "commands"), "unit");
        assert_eq!(suite_of("tests/corpus", "native"), "corpus");
        assert_eq!(suite_of("tests/e2e", "proxy"), "e2e");
        assert_eq!(suite_of("tests/e2e", "envoy_tutorial"), "envoy");
        assert_eq!(suite_of("tests/corpus", "envoy"), "envoy");
        assert_eq!(suite_of("xds", "envoy_ecds"), "envoy");
        assert_eq!(suite_of("cli", "envoys"), "envoy");
        assert_eq!(suite_of("node", "kernel_maps"), "kernel");
        assert_eq!(suite_of("tests/harness", "apiserver"), "apiserver");
        assert_eq!(suite_of("tests/cluster", "cluster"), "cluster");
    }

    #[test]
    fn a_suite_is_the_workspace_and_its_targets() {
        let mut plan = Plan { guests: vec!["postern-filter".to_owned()], targets: Vec::new() };
        plan.add("commands", "unit").unwrap();
        plan.add("envoy", "envoy").unwrap();
        plan.add("envoy", "envoy").unwrap();
        let line = |name| {
            let suite = SUITES.iter().find(|suite| suite.name == name).unwrap();
            plan.arguments(suite).join(" ")
        };
        assert_eq!(line("unit"), "--workspace --exclude postern-filter --lib --bins --test commands");
        assert_eq!(line("envoy"), "--workspace --exclude postern-filter --test envoy");
        assert_eq!(line("doc"), "--workspace --exclude postern-filter --doc");
        assert!(plan.is_empty(SUITES.iter().find(|suite| suite.name == "e2e").unwrap()));
    }

    #[test]
    fn one_name_in_two_suites_is_an_error() {
        let mut plan = Plan { guests: Vec::new(), targets: Vec::new() };
        plan.add("tutorial", "unit").unwrap();
        let error = plan.add("tutorial", "e2e").unwrap_err().to_string();
        assert!(error.contains("`tutorial`") && error.contains("rename"), "{error}");
    }
}
