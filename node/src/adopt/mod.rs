//! The listeners of a proxy that does not register them itself, such as Envoy: they are taken from its process and
//! handed to the programs in the kernel.
//!
//! The copies are closed again at once: when the proxy ends, its listeners end, and what is steered is dropped.

mod error;
mod listener;
mod process;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

pub use error::AdoptError;
use listener::{Listener, Wanted};
use process::Process;

use crate::datapath::register_listener;

/// The listeners of one process.
#[derive(Debug)]
pub struct Adoption {
    process: Process,
    listeners: Vec<Wanted>,
    root: PathBuf,
}

impl Adoption {
    /// Of the process with this number: its listeners at these addresses, at most one for each family. `root` is the
    /// node's folder in bpffs.
    pub fn new(pid: u32, addresses: &[SocketAddr], root: PathBuf) -> Result<Self, AdoptError> {
        for (index, address) in addresses.iter().enumerate() {
            let earlier = addresses.iter().take(index);
            if let Some(other) = earlier.into_iter().find(|other| other.is_ipv4() == address.is_ipv4()) {
                return Err(AdoptError::SameFamily { first: *other, second: *address });
            }
        }
        let process = Process::open(pid)?;
        Ok(Self { process, listeners: addresses.iter().copied().map(Wanted::new).collect(), root })
    }

    /// Registers all of them. What is registered already stays so; a listener that was opened anew takes the place of
    /// the earlier one.
    pub fn register(&mut self) -> Result<(), AdoptError> {
        for wanted in &mut self.listeners {
            let Listener { socket, .. } = wanted.take_from(&self.process)?;
            register_listener(&self.root, socket.as_fd())?;
        }
        Ok(())
    }

    /// Waits so long for the end of the process, and says whether it has ended.
    pub fn wait_for_end(&self, patience: Duration) -> Result<bool, AdoptError> {
        self.process.wait_for_end(patience)
    }
}

#[cfg(test)]
mod tests;
