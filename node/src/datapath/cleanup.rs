//! Removing everything.

use std::fs;
use std::io;
use std::path::Path;

use super::error::DatapathError;
use super::folder::{Folder, names, unpin};

/// Lifts enforcement and removes everything below `root`, what other versions left included. It is fine
/// if there is nothing; it is an error while an agent is running.
pub fn cleanup(root: &Path) -> Result<(), DatapathError> {
    if !root.exists() {
        return Ok(());
    }
    let _lock = Folder::lock(root)?;
    for version in names(root)?.iter().filter(|name| is_version(name)) {
        let version = root.join(version);
        // Programs go first: without their links nothing uses the maps any more.
        for folder in ["links", "maps"].map(|name| version.join(name)) {
            for name in names(&folder)? {
                unpin(&folder.join(name))?;
            }
            remove_folder(&folder)?;
        }
        remove_folder(&version)?;
    }
    remove_folder(root)
}

fn is_version(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok())
}

fn remove_folder(path: &Path) -> Result<(), DatapathError> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DatapathError::Folder { path: path.to_owned(), cause: error })
        }
        _ => Ok(()),
    }
}
