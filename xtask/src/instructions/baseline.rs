//! The counts that were accepted, in a file of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Relative to the root.
pub(super) const FILE: &str = "xtask/instructions.toml";
/// A count may grow by this share. What the compiler lays out differently and what hashing by chance costs is less.
const SLACK: f64 = 0.05;

/// What was counted, by name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Baseline(BTreeMap<String, f64>);

/// A count beside the accepted one.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    accepted: Option<f64>,
    counted: Option<f64>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Compared(Vec<Row>);

impl Baseline {
    pub(super) fn put(&mut self, name: String, count: f64) {
        self.0.insert(name, count.round());
    }

    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {FILE}: `cargo xtask instructions --update` writes it"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map(Self).with_context(|| format!("{FILE} is not a list of names and counts"))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.to_string()).with_context(|| format!("cannot write {FILE}"))
    }

    /// A name that is only in one of the two is a difference as well.
    pub(super) fn compare(&self, counts: &Self) -> Compared {
        let mut names: Vec<&String> = self.0.keys().chain(counts.0.keys()).collect();
        names.sort();
        names.dedup();
        let row = |name: &String| Row {
            name: name.clone(),
            accepted: self.0.get(name).copied(),
            counted: counts.0.get(name).copied(),
        };
        Compared(names.into_iter().map(row).collect())
    }
}

/// The file.
impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions for each, accepted. Written by `cargo xtask instructions --update`;")?;
        writeln!(f, "# `cargo xtask ci` fails where a count is more than 5 % above.")?;
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "\"{name}\" = {count:.1}"))
    }
}

impl Row {
    fn share(&self) -> Option<f64> {
        Some(self.counted? / self.accepted?)
    }

    fn failed(&self) -> bool {
        self.share().is_none_or(|share| share > 1.0 + SLACK)
    }
}

impl Compared {
    pub(super) fn failed(&self) -> bool {
        self.0.iter().any(Row::failed)
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0 {
            let Row { name, accepted, counted } = row;
            let word = match row.share() {
                None => "CHANGED, only on one side",
                Some(_) if row.failed() => "MORE",
                Some(share) if share < 1.0 - SLACK => "less: update the file",
                Some(_) => "as accepted",
            };
            let show = |count: &Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.0}"));
            writeln!(f, "{name}: {} accepted, {} counted: {word}", show(accepted), show(counted))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, f64)]) -> Baseline {
        Baseline(of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }

    #[test]
    fn a_count_may_grow_by_five_percent_and_shrink_by_any() {
        let accepted = counts(&[("a", 1000.0)]);
        for (count, fails) in [(10.0, false), (1000.0, false), (1049.0, false), (1051.0, true)] {
            assert_eq!(accepted.compare(&counts(&[("a", count)])).failed(), fails, "{count}");
        }
    }

    #[test]
    fn what_is_missing_on_either_side_fails() {
        let (one, two) = (counts(&[("a", 1.0)]), counts(&[("a", 1.0), ("b, `.*`", 1.0)]));
        assert!(one.compare(&two).failed() && two.compare(&one).failed());
        assert!(!two.compare(&two).failed());
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let counts = counts(&[("a b", 1234.0), ("many `.*`, 10 rules", 5.0)]);
        assert_eq!(Baseline::parse(&counts.to_string()).unwrap(), counts);
    }
}
