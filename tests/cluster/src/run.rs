//! One box among several on the same machine.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::str::FromStr;

use anyhow::{Error, Result, ensure};

/// What every name of the project's boxes starts with.
const PREFIX: &str = "pc";

/// Names a box: four hexadecimal digits, in the name of everything that the box makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u16);

impl RunId {
    /// Any one. Whether it is free is found out by whoever claims it.
    #[must_use]
    pub fn random() -> RunId {
        // The hasher's keys are random, and no other randomness is needed here.
        let [low, high, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
        RunId(u16::from_le_bytes([low, high]))
    }

    /// The number, for what is derived from it.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The name of something that belongs to this run. A device's name has room for 8 characters here.
    #[must_use]
    pub fn name(self, part: &str) -> String {
        format!("{}{part}", self.prefix())
    }

    /// What the names of this run start with.
    #[must_use]
    pub fn prefix(self) -> String {
        format!("{PREFIX}{self}-")
    }

    /// The run that a name belongs to, if it is the name of a box's.
    #[must_use]
    pub fn of(name: &str) -> Option<RunId> {
        let (id, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
        id.parse().ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<RunId> {
        let digits = text.len() == 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ensure!(digits, "'{text}' does not name a run: expected four hexadecimal digits in lower case");
        Ok(RunId(u16::from_str_radix(text, 16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_run() {
        let run: RunId = "03fa".parse().unwrap();
        assert_eq!(run.name("node1"), "pc03fa-node1");
        assert_eq!(RunId::of("pc03fa-node1"), Some(run));
        for other in ["pc03fa", "pc3fa-node1", "pc03FA-x", "eth0", "pcxyzw-a"] {
            assert_eq!(RunId::of(other), None, "{other}");
        }
    }

    #[test]
    fn only_four_digits_name_a_run() {
        for text in ["", "3fa", "03fa0", "03FA", "+3fa", "../a"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
