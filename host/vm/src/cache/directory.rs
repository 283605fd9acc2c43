//! Whose a folder is, and whose are the files in it.
#![allow(unsafe_code, reason = "the standard library does not tell who runs this process")]

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Others may write to it.
const WRITABLE: u32 = 0o022;
/// In such a folder, only its owner may rename or remove a file.
const STICKY: u32 = 0o1000;

/// A folder that compiled code must not be taken from.
#[derive(Debug, thiserror::Error)]
pub enum UnsafeDirectory {
    /// It cannot be made or looked at.
    #[error("cannot use {}: {cause}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It, or one that it lies in, belongs to somebody else.
    #[error("{} belongs to user {owner}, expected {expected} or root; choose another folder", path.display())]
    Owner {
        /// Which of them.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this process.
        expected: u32,
    },
    /// It, or one that it lies in, can be written to by others.
    #[error("{} can be written to by other users (mode {mode:o}); run chmod go-w, or choose another folder", path.display())]
    Writable {
        /// Which of them.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Makes the folder where it does not exist, and checks that nobody but this user and root can put anything into it, or
/// another folder in its place. Gives its real path.
pub(super) fn own(directory: &Path) -> Result<PathBuf, UnsafeDirectory> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| UnsafeDirectory::Io { path, cause }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
    // Without symbolic links: each folder on the way is checked, and none of them can be replaced then.
    let real = fs::canonicalize(directory).map_err(failed(directory))?;
    for path in real.ancestors() {
        let metadata = fs::symlink_metadata(path).map_err(failed(path))?;
        let sticky_parent = path != real && metadata.mode() & STICKY != 0;
        check_owner(path, &metadata)?;
        if metadata.mode() & WRITABLE != 0 && !sticky_parent {
            let mode = metadata.mode() & 0o7777;
            return Err(UnsafeDirectory::Writable { path: path.to_owned(), mode });
        }
    }
    Ok(real)
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), UnsafeDirectory> {
    let (owner, expected) = (metadata.uid(), user());
    if owner == expected || owner == 0 {
        return Ok(());
    }
    Err(UnsafeDirectory::Owner { path: path.to_owned(), owner, expected })
}

/// Opens a file that only this user and root can have written.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    // Of what was opened, whatever the name means by now.
    let metadata = file.metadata()?;
    let others = metadata.mode() & WRITABLE != 0 || (metadata.uid() != user() && metadata.uid() != 0);
    if !metadata.is_file() || others {
        return Err(io::Error::other("it is not a file that only this user can write to"));
    }
    Ok(file)
}

/// Makes a new file.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn user() -> u32 {
    // SAFETY: it takes nothing, and cannot fail.
    unsafe { libc::geteuid() }
}
