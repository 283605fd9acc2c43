//! The folder in which maps and links are pinned.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use postern_node_abi::ABI_VERSION;

use super::error::DatapathError;

/// The folder of one node's datapath, held against other agents for as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// The lock is on the folder itself, and the kernel gives it back however the agent ends.
    lock: File,
}

impl Folder {
    /// Makes the folders that are missing and takes the lock.
    pub(super) fn create(root: &Path) -> Result<Self, DatapathError> {
        on_bpffs(root)?;
        // A BPF file system is everybody's to write, as a rule: what is pinned here is not.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(DatapathError::folder(root))?;
        is_private(root)?;
        let folder = Self::lock(root)?;
        for path in [folder.maps(), folder.links()] {
            fs::create_dir_all(&path).map_err(DatapathError::folder(path))?;
        }
        Ok(folder)
    }

    /// Takes the lock of a folder that exists.
    pub(super) fn lock(root: &Path) -> Result<Self, DatapathError> {
        let file = File::open(root).map_err(DatapathError::folder(root))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), lock: file }),
            Err(TryLockError::WouldBlock) => Err(DatapathError::Busy { root: root.to_owned() }),
            Err(TryLockError::Error(source)) => {
                Err(DatapathError::Folder { path: root.to_owned(), cause: source })
            }
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn maps(&self) -> PathBuf {
        maps_below(&self.root)
    }

    pub(super) fn links(&self) -> PathBuf {
        version_below(&self.root).join("links")
    }
}

impl Drop for Folder {
    /// Closing is not enough: a child that another thread is just starting has the file open as well, until
    /// it is another program. What cannot be unlocked goes with the process.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// Where the maps of this version are.
pub(super) fn maps_below(root: &Path) -> PathBuf {
    version_below(root).join("maps")
}

fn version_below(root: &Path) -> PathBuf {
    root.join(format!("v{ABI_VERSION}"))
}

/// Refuses a folder that is not in a BPF file system, where nothing can be pinned.
fn on_bpffs(root: &Path) -> Result<(), DatapathError> {
    let existing = root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let existing = fs::canonicalize(existing).map_err(DatapathError::folder(existing))?;
    let mounts = Path::new("/proc/thread-self/mountinfo");
    let mounts = fs::read_to_string(mounts).map_err(DatapathError::folder(mounts))?;
    // The last mount at the longest place is the one that is seen.
    let mount = mounts
        .lines()
        .filter_map(mount)
        .filter(|(place, _)| existing.starts_with(place))
        .max_by_key(|(place, _)| place.as_os_str().len());
    match mount {
        Some((_, "bpf")) => Ok(()),
        _ => Err(DatapathError::NotBpffs { path: root.to_owned() }),
    }
}

/// The place and the type of a line of mountinfo.
fn mount(line: &str) -> Option<(&Path, &str)> {
    let (before, after) = line.split_once(" - ")?;
    Some((Path::new(before.split(' ').nth(4)?), after.split(' ').next()?))
}

/// Refuses a folder in which somebody else could exchange or remove what is pinned.
fn is_private(root: &Path) -> Result<(), DatapathError> {
    let metadata = fs::symlink_metadata(root).map_err(DatapathError::folder(root))?;
    let process = Path::new("/proc/self");
    let own = fs::metadata(process).map_err(DatapathError::folder(process))?.uid();
    if !metadata.is_dir() || metadata.uid() != own || metadata.mode() & 0o022 != 0 {
        return Err(DatapathError::Open {
            root: root.to_owned(),
            owner: metadata.uid(),
            mode: metadata.mode() & 0o7777,
        });
    }
    Ok(())
}

/// The names in a folder; none where there is no folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, DatapathError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(DatapathError::Folder { path: folder.to_owned(), cause: source }),
    };
    entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(DatapathError::folder(folder))
}

/// Removes a pin; one that is gone already is fine.
pub(super) fn unpin(path: &Path) -> Result<(), DatapathError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DatapathError::Folder { path: path.to_owned(), cause: error })
        }
        _ => Ok(()),
    }
}
