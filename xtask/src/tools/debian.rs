//! Debian's archive, read without changing the machine: packages and sources are fetched and unpacked
//! into a folder, and nothing is installed (a package that is installed may start a service).
//!
//! apt runs on settings of its own: the machine's sources, with their source packages added, and lists
//! and cache in a folder that goes away. So this needs no root and leaves nothing under `/etc` or `/var`.

mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::phases::Phases;

/// Packages and sources, fetched into one folder.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    folder: PathBuf,
    phases: &'a Phases,
}

impl<'a> Archive<'a> {
    /// Reads the lists of packages.
    pub(super) fn open(folder: &Path, phases: &'a Phases) -> Result<Archive<'a>> {
        let archive = Archive { folder: folder.to_owned(), phases };
        // apt makes its folders itself, but not their parents.
        for part in ["sources", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).context("cannot make a folder for apt")?;
        }
        sources::write(Path::new("/etc/apt"), &folder.join("sources"))?;
        phases
            .run(archive.apt().arg("update"))
            .context("cannot read the lists of the machine's apt sources")?;
        Ok(archive)
    }

    /// Fetches binary packages and unpacks them below `root`.
    pub(super) fn unpack(&self, packages: &[&str], root: &Path) -> Result<()> {
        let into = self.folder.join("packages");
        fs::create_dir(&into).context("cannot make a folder for packages")?;
        self.phases.run(self.apt().arg("download").args(packages).current_dir(&into))?;
        for file in files(&into)? {
            self.phases.run(Command::new("dpkg-deb").arg("--extract").arg(file).arg(root))?;
        }
        Ok(())
    }

    /// Fetches a source package and unpacks it, with Debian's patches applied, as the folder `tree`.
    /// `version` must be a part of the package's version.
    pub(super) fn source(&self, package: &str, version: &str, tree: &Path) -> Result<()> {
        let into = self.folder.join("source");
        fs::create_dir(&into).context("cannot make a folder for sources")?;
        let mut fetch = self.apt();
        self.phases.run(fetch.args(["source", "--download-only", package]).current_dir(&into))?;
        let found = files(&into)?;
        let Some(dsc) = found.iter().find(|path| path.extension().is_some_and(|end| end == "dsc")) else {
            bail!("apt-get fetched no description of the source package {package}");
        };
        let name = dsc.file_name().unwrap_or_default().to_string_lossy();
        if !name.contains(version) {
            bail!("the machine's apt sources have {name}, and {package} {version} is what is needed");
        }
        let parent = tree.parent().context("a source tree needs a folder that it is in")?;
        fs::create_dir_all(parent).context("cannot make a folder for sources")?;
        // apt has compared the hashes with those of the signed lists; the packager's own key is not here.
        self.phases.run(Command::new("dpkg-source").args(["--no-check", "--extract"]).arg(dsc).arg(tree))
    }

    fn apt(&self) -> Command {
        let mut command = Command::new("apt-get");
        let places =
            [("Dir::Etc::sourceparts", "sources"), ("Dir::State::lists", "lists"), ("Dir::Cache", "cache")];
        for (option, place) in places {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(place).display()));
        }
        // As root, apt would fetch as a user who cannot write to this folder.
        command.args(["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "APT::Sandbox::User=root"]);
        command.args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3", "--quiet"]);
        command
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?)
}
