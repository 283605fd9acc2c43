//! What can go wrong, and what to do about it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;

use super::hook::Hook;

/// Why the datapath cannot do as it was told. What was in force before still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatapathError {
    /// The folder is not in a BPF file system.
    #[error("{} is not on a BPF file system: mount one by `mount -t bpf bpf /sys/fs/bpf`", .path.display())]
    NotBpffs {
        /// The folder.
        path: PathBuf,
    },
    /// A folder or pin cannot be made, read or removed.
    #[error("{}: {cause}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Somebody else could write into the folder.
    #[error(
        "{} belongs to user {owner} and has the mode {mode:o}: expected a folder of your own that nobody else can write; \
         remove it, or give the agent another one", .root.display()
    )]
    Open {
        /// The folder.
        root: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else has the folder.
    #[error("another agent is using {}: stop it first, or give this one another folder", .root.display())]
    Busy {
        /// The folder.
        root: PathBuf,
    },
    /// The kernel is too old.
    #[error(
        "this kernel is {found}, and the programs need at least {}: run a newer kernel",
        super::layout::OLDEST
    )]
    Kernel {
        /// Its version.
        found: String,
    },
    /// The agent may not load programs.
    #[error(
        "not permitted to load kernel programs ({cause}): run as root, or with the capabilities BPF, \
         NET_ADMIN and PERFMON"
    )]
    Permission {
        /// What the kernel said.
        cause: io::Error,
    },
    /// A pinned map cannot be taken over.
    #[error(
        "the pinned map {map} below {} has another layout ({differs}): run `postern node \
         cleanup`, which lifts enforcement, and start again", .root.display()
    )]
    Layout {
        /// Its name.
        map: &'static str,
        /// What it is, and what it should be.
        differs: String,
        /// The folder.
        root: PathBuf,
    },
    /// The pinned maps were written by another version.
    #[error(
        "the maps below {} were written by version {found} of the layout: run `postern node cleanup`, which \
         lifts enforcement, and start again", .root.display()
    )]
    Version {
        /// Whose.
        found: u32,
        /// The folder.
        root: PathBuf,
    },
    /// The kernel does not take the programs.
    #[error("the kernel does not take the programs: {}", chain(.0.as_ref()))]
    Load(Box<EbpfError>),
    /// The build lacks something.
    #[error("this build has no {what}")]
    Missing {
        /// A program or map.
        what: &'static str,
    },
    /// There is no such device.
    #[error("there is no device with the number {ifindex} in this network namespace")]
    NoDevice {
        /// Its number.
        ifindex: u32,
    },
    /// A program cannot be attached.
    #[error("cannot attach {} to device {ifindex}: {cause}", .hook.program())]
    Attach {
        /// Which.
        hook: Hook,
        /// Where; 0 for the network namespace.
        ifindex: u32,
        /// Why.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map cannot be read or written.
    #[error("map {map}: {cause}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        cause: Box<MapError>,
    },
    /// A map is too small. Nothing of it was changed.
    #[error("map {map} has room for {capacity} entries, and {wanted} are needed")]
    Full {
        /// Its name.
        map: &'static str,
        /// How many entries there are to write.
        wanted: usize,
        /// How many fit.
        capacity: usize,
    },
    /// A service's backend is of the other family.
    #[error("the service {service} has the backend {backend}, which is not of the same family")]
    Family {
        /// The service's address.
        service: IpAddr,
        /// The backend's.
        backend: IpAddr,
    },
    /// Every number was used.
    #[error(
        "all numbers for policies and services were used: run `postern node cleanup`, which lifts enforcement, and start again"
    )]
    Numbers,
    /// The events are read by somebody else.
    #[error("the events are being read already")]
    EventsTaken,
    /// A socket cannot be given to the programs.
    #[error("cannot register the listener below {}: {cause}: is the agent running?", .root.display())]
    Listener {
        /// The folder.
        root: PathBuf,
        /// Why.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DatapathError {
    pub(super) fn load(error: EbpfError) -> Self {
        // A program that the verifier refuses is EACCES, which is another thing.
        match system_error(&error) {
            Some(libc::EPERM) => Self::permission(),
            _ => Self::Load(Box::new(error)),
        }
    }

    pub(super) fn permission() -> Self {
        Self::Permission { cause: io::Error::from_raw_os_error(libc::EPERM) }
    }

    pub(super) fn map(map: &'static str) -> impl Fn(MapError) -> Self {
        move |cause| Self::Map { map, cause: cause.into() }
    }

    pub(super) fn folder(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Folder { path, cause }
    }
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The number of the system's error behind this one.
pub(super) fn system_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}
