//! What can go wrong, and what to do about it.

use std::io;
use std::net::SocketAddr;

use crate::datapath::DatapathError;

/// Why a listener was not handed over. Those that were handed over before still are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// There is no such process, or it has ended.
    #[error("there is no process {pid}")]
    NoProcess {
        /// Its number.
        pid: u32,
    },
    /// The process may not be looked into.
    #[error(
        "not permitted to take sockets of process {pid}: run as root, or with the capability SYS_PTRACE, in the \
         same process namespace"
    )]
    NotPermitted {
        /// Its number.
        pid: u32,
    },
    /// The process cannot be looked into for another reason.
    #[error("cannot look into process {pid}: {source}")]
    Process {
        /// Its number.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing of the process listens there.
    #[error("process {pid} does not listen at {address}, {}", listens(.found))]
    NoListener {
        /// Its number.
        pid: u32,
        /// The address that was asked for.
        address: SocketAddr,
        /// Where it does listen.
        found: Vec<SocketAddr>,
    },
    /// Each thread has a socket of its own there, and the kernel takes one.
    #[error(
        "process {pid} has {count} sockets that listen at {address}, and one is expected: connections would reach \
         one of them only (in Envoy, set enable_reuse_port: false)"
    )]
    SeveralListeners {
        /// Its number.
        pid: u32,
        /// The address.
        address: SocketAddr,
        /// How many.
        count: usize,
    },
    /// The socket cannot have connections to other addresses than its own.
    #[error(
        "the listener of process {pid} at {address} is not transparent (IP_TRANSPARENT): it would not see where a \
         connection was meant to go (in Envoy, set transparent: true)"
    )]
    NotTransparent {
        /// Its number.
        pid: u32,
        /// The address.
        address: SocketAddr,
    },
    /// The kernel has one place for each family.
    #[error("{first} and {second} are of the same family: expected at most one listener for each")]
    SameFamily {
        /// One of them.
        first: SocketAddr,
        /// The other.
        second: SocketAddr,
    },
    /// The node's tables do not take it.
    #[error(transparent)]
    Register(#[from] DatapathError),
}

impl AdoptError {
    /// What the system says when it is asked about a process.
    pub(super) fn process(pid: u32, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ESRCH | libc::ENOENT) => Self::NoProcess { pid },
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted { pid },
            _ => Self::Process { pid, source },
        }
    }
}

fn listens(found: &[SocketAddr]) -> String {
    if found.is_empty() {
        return "nor at any other TCP address".to_owned();
    }
    let found: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
    format!("only at {}", found.join(", "))
}
