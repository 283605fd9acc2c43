//! A real API server: a folder with `kube-apiserver`, `etcd` and `kubectl`.
//!
//! `KUBEBUILDER_ASSETS` names such a folder by convention (that of Go's envtest), and where it is set,
//! its programs are used and nothing is installed. Otherwise the folder is made from Debian 12's archive,
//! which has the client and etcd as programs, and the server as source only.

mod build;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::cache::{self, Entry};
use super::debian::Archive;
use super::phases::Phases;
use crate::exec;

pub(super) const NAME: &str = "kube-apiserver";
pub(super) const VERSION: &str = "1.20.2";

const ENTRY: Entry = Entry {
    name: NAME,
    version: VERSION,
    cost: "built from Debian's source, 5 to 10 minutes, 160 MB to fetch, 1.8 GB of disk until it is done, 120 MB then",
};
/// Where the convention says to look.
const ASSETS: &str = "KUBEBUILDER_ASSETS";
const PROGRAMS: [&str; 3] = [NAME, "etcd", "kubectl"];
/// Debian's packages with programs, and with what the build needs.
const PACKAGES: &[&str] = &[
    "etcd-server",
    "kubernetes-client",
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
];

/// Which server it is.
pub(super) fn version() -> String {
    given().map_or_else(|| VERSION.to_owned(), |_| format!("of {ASSETS}"))
}

pub(super) fn find() -> Result<Option<PathBuf>> {
    match given() {
        Some(folder) => checked(folder).map(Some),
        None => Ok(cache::find(&cache::folder()?, &ENTRY)),
    }
}

/// The folder, made if need be.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(folder) = given() {
        eprintln!("{NAME}: that of {ASSETS}");
        return checked(folder);
    }
    cache::ensure(&cache::folder()?, &ENTRY, install).with_context(|| {
        format!("without Debian 12's archive, set {ASSETS} to a folder with {}", PROGRAMS.join(", "))
    })
}

fn given() -> Option<PathBuf> {
    env::var_os(ASSETS).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn checked(folder: PathBuf) -> Result<PathBuf> {
    for program in PROGRAMS {
        let path = folder.join(program);
        ensure!(
            path.is_file(),
            "{ASSETS} is set, but there is no {}: unset it, and the programs are installed",
            path.display()
        );
    }
    // Tests run in the folders of their crates.
    std::path::absolute(folder).with_context(|| format!("{ASSETS} does not name a folder"))
}

fn install(folder: &Path) -> Result<()> {
    super::packages(&[("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("dpkg-source", "dpkg-dev")])?;
    let phases = Phases::new(folder.with_extension("log"))?;
    let work = folder.join("work");
    let root = work.join("root");
    let gopath = work.join("go");
    std::fs::create_dir_all(&root).context("cannot make a folder for the build")?;
    phases.phase("fetching sources and compiler", || {
        let archive = Archive::open(&work.join("apt"), &phases)?;
        archive.unpack(PACKAGES, &root)?;
        archive.source("kubernetes", VERSION, &build::tree(&gopath))
    })?;
    build::run(&phases, &root, &gopath, &folder.join(NAME))?;
    for program in ["etcd", "kubectl"] {
        std::fs::rename(root.join("usr/bin").join(program), folder.join(program))
            .with_context(|| format!("Debian's package has no program {program}"))?;
    }
    for (program, arguments) in
        [(NAME, ["--version"].as_slice()), ("etcd", &["--version"]), ("kubectl", &["version", "--client"])]
    {
        exec::output(Command::new(folder.join(program)).args(arguments))
            .with_context(|| format!("the {program} that was just made does not run on this machine"))?;
    }
    std::fs::remove_dir_all(work).context("cannot remove what the build has left")
}
