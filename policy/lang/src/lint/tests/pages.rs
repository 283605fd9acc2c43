//! Every lint has a page, and what the page shows is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::found;
use crate::lint::Lint;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lints"))
}

/// The YAML below a heading of a page.
fn example(page: &str, heading: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("\n{heading}\n"))?;
    let (_, rest) = rest.split_once("```yaml\n")?;
    Some(rest.split_once("```")?.0.to_owned())
}

#[test]
fn every_lint_has_a_page_and_every_page_a_lint() {
    let pages: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let lints = Lint::EVERY.iter().map(|lint| format!("{lint}.md"));
    let expected: BTreeSet<String> = lints.chain(["README.md".to_owned()]).collect();
    assert_eq!(pages, expected);
}

#[test]
fn the_index_lists_every_lint() {
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    for lint in Lint::EVERY {
        let row = format!("| [{lint}]({lint}.md) | {} |", lint.summary());
        assert!(index.contains(&row), "docs/lints/README.md lacks the row {row}");
    }
}

#[test]
fn the_examples_of_each_page_are_true() {
    for lint in Lint::EVERY {
        let page = fs::read_to_string(folder().join(format!("{lint}.md"))).unwrap();
        assert!(page.starts_with(&format!("# {lint}\n")), "{lint}: the title");
        for heading in ["## What", "## Why", "## How to fix it", "## How to allow it"] {
            assert!(page.contains(&format!("\n{heading}\n")), "{lint} has no heading {heading:?}");
        }
        // Only lists of hundreds or thousands show these.
        if [Lint::TooManyToCompare, Lint::PathsWithoutText].contains(&lint) {
            continue;
        }
        let inventory = example(&page, "### With this inventory");
        let fires = |heading: &str| {
            let policy =
                example(&page, heading).unwrap_or_else(|| panic!("{lint} has no example {heading:?}"));
            let found = found(&policy, inventory.as_deref());
            found.iter().any(|finding| finding.diagnostic.code.lint() == Some(lint))
        };
        assert!(fires("### It is found here"), "{lint}: not found in its first example");
        assert!(!fires("### It is not found here"), "{lint}: found in its second example");
    }
}
