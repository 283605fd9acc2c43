//! Another process, and the sockets it has open.

#![allow(unsafe_code, reason = "the standard library does not have these calls")]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use super::error::AdoptError;

/// One socket of a process: the number it has there, and the number it has everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) descriptor: RawFd,
    pub(super) inode: u64,
}

/// A process that stays the same one, even if its number is given to another.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    handle: OwnedFd,
}

impl Process {
    pub(super) fn open(pid: u32) -> Result<Self, AdoptError> {
        // No process has a number beyond this.
        let number = i32::try_from(pid).map_err(|_| AdoptError::NoProcess { pid })?;
        // SAFETY: two numbers are passed, and a new descriptor or -1 comes back.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0_u32) };
        match owned(result) {
            Ok(handle) => Ok(Self { pid, handle }),
            // 0 and below are no processes.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Err(AdoptError::NoProcess { pid }),
            Err(error) => Err(AdoptError::process(pid, error)),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The sockets it has open, as often as it has them open.
    pub(super) fn sockets(&self) -> Result<Vec<Place>, AdoptError> {
        let failed = |error| AdoptError::process(self.pid, error);
        let mut places: Vec<Place> = Vec::new();
        for entry in fs::read_dir(self.folder()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(descriptor) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            places.extend(self.socket(descriptor));
        }
        Ok(places)
    }

    /// The socket with this number, if there is one: any may be closed at any time.
    pub(super) fn socket(&self, descriptor: RawFd) -> Option<Place> {
        let meta = fs::metadata(self.folder().join(descriptor.to_string())).ok()?;
        meta.file_type().is_socket().then(|| Place { descriptor, inode: meta.ino() })
    }

    /// A copy of a descriptor. `None`: it is closed by now.
    pub(super) fn copy(&self, descriptor: RawFd) -> Result<Option<OwnedFd>, AdoptError> {
        // SAFETY: the handle is open while `self` is borrowed; numbers are passed, and a new descriptor or -1 comes back.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_getfd, self.handle.as_raw_fd(), descriptor, 0_u32) };
        match owned(result) {
            Ok(copy) => Ok(Some(copy)),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
            Err(error) => Err(AdoptError::process(self.pid, error)),
        }
    }

    /// Waits so long for the end of the process, and says whether it has ended.
    pub(super) fn wait_for_end(&self, patience: Duration) -> Result<bool, AdoptError> {
        let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd: self.handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live structure is passed, and the kernel writes to nothing else.
        let result = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        if result < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(false),
                _ => Err(AdoptError::process(self.pid, error)),
            };
        }
        Ok(result > 0)
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd", self.pid))
    }
}

/// What a call gave that makes a descriptor.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let descriptor = RawFd::try_from(result).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
