//! The cache folder: `<cache>/<tool>-<version>/`, each made whole or not at all.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

/// Written last, so that a folder that has it is complete.
const STAMP: &str = "installed";

/// What a tool is called here, and what installing it takes.
#[derive(Debug)]
pub(super) struct Entry {
    /// The tool's name.
    pub(super) name: &'static str,
    /// The pinned version.
    pub(super) version: &'static str,
    /// How long and how large, for the user to read.
    pub(super) cost: &'static str,
}

/// `$POSTERN_CACHE`, else `$XDG_CACHE_HOME/postern`, else `~/.cache/postern`.
pub(super) fn folder() -> Result<PathBuf> {
    folder_from(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    if let Some(folder) = variable("POSTERN_CACHE") {
        return std::path::absolute(folder).context("POSTERN_CACHE does not name a folder");
    }
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let base = base.context("no place to install tools to: set POSTERN_CACHE to a folder, or HOME")?;
    Ok(base.join("postern"))
}

/// The tool's folder, if it is installed whole.
pub(super) fn find(cache: &Path, entry: &Entry) -> Option<PathBuf> {
    let folder = cache.join(format!("{}-{}", entry.name, entry.version));
    folder.join(STAMP).is_file().then_some(folder)
}

/// The tool's folder, made by `install` unless it is there. `install` gets an empty folder which takes
/// its place only when it has succeeded: an interrupted or failed install is done anew.
pub(super) fn ensure(
    cache: &Path,
    entry: &Entry,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let Entry { name, version, cost } = entry;
    fs::create_dir_all(cache).with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
    // Two commands at once: the second waits, and then finds the tool.
    let lock =
        File::create(cache.join(format!("{name}.lock"))).context("cannot make a lock in the cache folder")?;
    lock.lock().context("cannot lock the cache folder")?;
    if let Some(folder) = find(cache, entry) {
        eprintln!("{name} {version}: ready");
        return Ok(folder);
    }
    eprintln!("{name} {version}: installing into {} ({cost})", cache.display());
    let start = Instant::now();
    let staging = cache.join(format!("{name}-{version}.partial"));
    remove(&staging)?;
    fs::create_dir(&staging).with_context(|| format!("cannot make {}", staging.display()))?;
    install(&staging).with_context(|| format!("cannot install {name} {version}"))?;
    fs::write(staging.join(STAMP), "").context("cannot write to the cache folder")?;
    let folder = cache.join(format!("{name}-{version}"));
    remove(&folder)?;
    fs::rename(&staging, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
    eprintln!("{name} {version}: installed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(folder)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
