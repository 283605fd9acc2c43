//! A scenario's configuration, made by `postern bundle` as a user would.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use postern_policy_core::policy::Direction;
use postern_tests_corpus::{Case, Scenario};
use tempfile::TempDir;

use crate::postern::postern;

/// What a scenario's case needs a listener for: one configuration, at one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Door {
    /// The scenario's name.
    pub scenario: String,
    /// Whether the subject is the one who connects.
    pub egress: bool,
    /// The port that policy means.
    pub port: u16,
    /// Where the listener is: the destination's address.
    pub address: IpAddr,
}

impl Door {
    /// The one that a case goes through.
    #[must_use]
    pub fn of(scenario: &Scenario, case: &Case) -> Door {
        let egress = case.direction == Direction::Egress;
        let address = if egress { case.peer } else { scenario.subject_address };
        Door { scenario: scenario.name.clone(), egress, port: case.port, address }
    }

    /// Those of all cases.
    pub fn all(scenario: &Scenario) -> BTreeSet<Door> {
        scenario.cases.iter().map(|case| Door::of(scenario, case)).collect()
    }
}

/// A scenario's policies and inventory as files.
#[derive(Debug)]
pub struct Files {
    subject: String,
    dir: TempDir,
}

impl Files {
    /// Writes them.
    pub fn of(scenario: &Scenario) -> Result<Files> {
        let dir = tempfile::tempdir().context("cannot make a folder for a scenario")?;
        fs::write(dir.path().join("policies.yaml"), &scenario.policy_text)?;
        fs::write(dir.path().join("inventory.yaml"), &scenario.inventory_text)?;
        Ok(Files { subject: scenario.subject.to_string(), dir })
    }

    /// What `postern bundle` prints for a door, with these arguments besides.
    pub fn bundle(&self, door: &Door, further: &[&str]) -> Result<String> {
        let (policies, inventory) =
            (self.dir.path().join("policies.yaml"), self.dir.path().join("inventory.yaml"));
        let (policies, inventory) = (policies.to_string_lossy(), inventory.to_string_lossy());
        let direction = if door.egress { "egress" } else { "ingress" };
        let port = door.port.to_string();
        let args = [
            "bundle",
            "--policy",
            &policies,
            "--inventory",
            &inventory,
            "--workload",
            &self.subject,
            "--direction",
            direction,
            "--port",
            &port,
        ];
        let ran = postern(args.iter().chain(further))?;
        ensure!(ran.code == Some(0), "postern bundle fails: {ran:#?}");
        Ok(ran.stdout)
    }
}
