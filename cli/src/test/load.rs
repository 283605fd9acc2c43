//! The policies and worlds of tests: each distinct set of files is read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::world::World;
use postern_policy_lang::diagnostic::{Code, Diagnostic, Severity};
use postern_policy_lang::inventory::{Inventory, load_inventory};
use postern_policy_lang::policy_test::{FilePattern, PolicyTest};
use postern_policy_lang::source::{Location, SourceFile};
use postern_policy_lang::{Policies, load_policies};

use super::files;
use crate::{inputs, render};

/// Some files, in the order in which a test names them.
type Files = Vec<PathBuf>;

/// What the tests are about.
pub(super) struct Suites {
    policies: BTreeMap<Files, Policies>,
    worlds: BTreeMap<(Files, Files), Suite>,
    of_tests: Vec<(Files, Files)>,
}

struct Suite {
    number: usize,
    world: World,
    test: String,
}

/// The policies and the world of one or more tests.
pub(super) struct SuiteView<'s> {
    pub(super) policies: &'s [Policy],
    pub(super) world: &'s World,
    /// The file of the first test that is about them.
    pub(super) test: &'s str,
}

impl Suites {
    /// Reads what the tests name; warnings are printed. With any error nothing is tested.
    pub(super) fn load(tests: &[PolicyTest]) -> anyhow::Result<Self> {
        let mut suites = Self { policies: BTreeMap::new(), worlds: BTreeMap::new(), of_tests: Vec::new() };
        let mut inventories: BTreeMap<Files, Inventory> = BTreeMap::new();
        let mut sources = Vec::new();
        let mut missing = Vec::new();
        for test in tests {
            let policies = named(test, &test.policies, &mut missing)?;
            let inventory = named(test, &test.inventory, &mut missing)?;
            suites.of_tests.push((policies, inventory));
        }
        if !missing.is_empty() {
            for test in tests {
                sources.extend(inputs::read(&[PathBuf::from(&test.file)]).unwrap_or_default());
            }
            render::diagnostics(&sources, &missing);
            bail!("files that tests name are not there: nothing was tested");
        }
        let mut broken = false;
        for (policies, inventory) in &suites.of_tests {
            if !suites.policies.contains_key(policies) {
                let files = read(policies)?;
                let loaded = load_policies(&files);
                render::diagnostics(&files, &loaded.diagnostics);
                broken |= loaded.has_errors();
                suites.policies.insert(policies.clone(), loaded);
            }
            if !inventories.contains_key(inventory) {
                let files = read(inventory)?;
                let loaded = load_inventory(&files);
                render::diagnostics(&files, &loaded.diagnostics);
                broken |= loaded.has_errors();
                inventories.insert(inventory.clone(), loaded);
            }
        }
        if broken {
            bail!("the files above have errors: nothing was tested");
        }
        for (test, key) in tests.iter().zip(&suites.of_tests) {
            let (Some(policies), Some(inventory)) = (suites.policies.get(&key.0), inventories.get(&key.1))
            else {
                continue;
            };
            if policies.policies.is_empty() {
                bail!("{}: there is no policy in its policy files: nothing would be tested", test.file);
            }
            let number = suites.worlds.len();
            if !suites.worlds.contains_key(key) {
                let mut world = inventory.world.clone();
                let clashes = policies.add_cidr_groups(&mut world);
                if !clashes.is_empty() {
                    render::diagnostics(&read(&key.0)?, &clashes);
                    bail!("the files above have errors: nothing was tested");
                }
                suites.worlds.insert(key.clone(), Suite { number, world, test: test.file.clone() });
            }
        }
        Ok(suites)
    }

    /// Each distinct set of files, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = SuiteView<'_>> {
        let mut suites: Vec<_> = self.worlds.iter().collect();
        suites.sort_by_key(|(_, suite)| suite.number);
        suites.into_iter().map(|((policies, _), suite)| SuiteView {
            policies: self.policies.get(policies).map_or(&[][..], |loaded| &loaded.policies),
            world: &suite.world,
            test: &suite.test,
        })
    }

    /// The number of the set that a test is about, and where its rules stand.
    pub(super) fn of(&self, test: usize) -> Option<(usize, &BTreeMap<RuleId, Location>)> {
        let key = self.of_tests.get(test)?;
        Some((self.worlds.get(key)?.number, &self.policies.get(&key.0)?.places))
    }
}

/// The files that patterns of a test mean. What means none is reported at its place.
fn named(
    test: &PolicyTest,
    patterns: &[FilePattern],
    missing: &mut Vec<Diagnostic>,
) -> anyhow::Result<Files> {
    let base = Path::new(&test.file).parent().unwrap_or(Path::new(""));
    let mut found = Files::new();
    for pattern in patterns {
        let matched: Files =
            files::matching(base, &pattern.text)?.into_iter().filter(|path| path.exists()).collect();
        if matched.is_empty() {
            let FilePattern { text, place } = pattern;
            missing.push(Diagnostic {
                severity: Severity::Error,
                code: Code::InvalidValue,
                message: format!("there is no file {text}"),
                file: place.file.clone(),
                span: place.span,
                field: place.field.clone(),
                help: Some(format!(
                    "it is looked for from the test's own folder: {}",
                    base.join(text).display()
                )),
            });
        }
        for path in matched {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn read(files: &Files) -> anyhow::Result<Vec<SourceFile>> {
    inputs::read(files)
}
