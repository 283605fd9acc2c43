//! Why a proxy does not start, or stops.

use std::io;
use std::net::SocketAddr;

use postern_host_vm::{CompileError, EngineError, Fault};

/// The proxy cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_advice(cause))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The system does not allow sockets with other machines' addresses, or the mark on them.
    #[error("cannot be a transparent proxy with mark {mark:#x}: {}", transparent_advice(cause))]
    Transparent {
        /// The mark of upstream connections.
        mark: u32,
        /// What the system said.
        cause: io::Error,
    },
    /// The engine for filters does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The filter module cannot be used.
    #[error("cannot use the filter: {0}")]
    Module(#[from] CompileError),
    /// The filter module does not start.
    #[error("cannot start the filter: {0}")]
    Filter(#[from] Fault),
    /// The system refuses a thread, a runtime or a copy of the listener.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
    /// A worker panicked. That is a bug in the proxy.
    #[error("a worker of the proxy panicked; please report this with the log lines before it")]
    Panicked,
}

fn transparent_advice(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "permission denied; run it as root or with CAP_NET_ADMIN".into(),
        _ => cause.to_string(),
    }
}

fn listen_advice(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "address already in use; stop the process that has it or choose another port".into()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE, or choose a higher port".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; 0.0.0.0 or [::] listens on all".into()
        }
        _ => cause.to_string(),
    }
}
