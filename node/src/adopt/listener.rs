//! Finding a listener among the sockets of a process.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use socket2::{Protocol, SockRef};

use super::error::AdoptError;
use super::process::{Place, Process};

/// A listener that is wanted, and where it was last.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) address: SocketAddr,
    pub(super) place: Option<Place>,
}

/// A listener of a process: where it is there, and a copy.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) place: Place,
    pub(super) socket: OwnedFd,
}

impl Wanted {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, place: None }
    }

    /// Takes a copy of the listener, which has to be transparent.
    pub(super) fn take_from(&mut self, process: &Process) -> Result<Listener, AdoptError> {
        let listener = match self.take_again(process)? {
            Some(listener) => listener,
            None => self.search(process)?,
        };
        self.place = Some(listener.place);
        if is_transparent(&listener.socket, self.address) {
            Ok(listener)
        } else {
            Err(AdoptError::NotTransparent { pid: process.pid(), address: self.address })
        }
    }

    /// From where it was last, which spares looking at all that the process has open.
    pub(super) fn take_again(&self, process: &Process) -> Result<Option<Listener>, AdoptError> {
        let Some(place) = self.place.filter(|place| process.socket(place.descriptor) == Some(*place)) else {
            return Ok(None);
        };
        let socket = process.copy(place.descriptor)?;
        Ok(socket
            .filter(|socket| listens_at(socket) == Some(self.address))
            .map(|socket| Listener { place, socket }))
    }

    pub(super) fn search(&self, process: &Process) -> Result<Listener, AdoptError> {
        let (pid, address) = (process.pid(), self.address);
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        // Threads have copies of the same socket; any of them may be closed before it is taken.
        let mut taken: Vec<u64> = Vec::new();
        for place in process.sockets()? {
            if taken.contains(&place.inode) {
                continue;
            }
            let Some(socket) = process.copy(place.descriptor)? else { continue };
            // Its number may have been given to another socket since.
            let socket = File::from(socket);
            let Ok(inode) = socket.metadata().map(|metadata| metadata.ino()) else { continue };
            if taken.contains(&inode) {
                continue;
            }
            taken.push(inode);
            let (place, socket) = (Place { inode, ..place }, OwnedFd::from(socket));
            match listens_at(&socket) {
                Some(at) if at == address => here.push(Listener { place, socket }),
                Some(at) => elsewhere.push(at),
                None => {}
            }
        }
        let count = here.len();
        match here.pop() {
            None => Err(AdoptError::NoListener { pid, address, found: elsewhere }),
            Some(listener) if count == 1 => Ok(listener),
            Some(_) => Err(AdoptError::SeveralListeners { pid, address, count }),
        }
    }
}

/// Where a socket listens for TCP connections, if it does.
fn listens_at(socket: &OwnedFd) -> Option<SocketAddr> {
    let socket = SockRef::from(socket);
    // A socket of another kind does not know these questions.
    let listens = socket.is_listener().unwrap_or(false);
    let tcp = socket.protocol().ok().flatten() == Some(Protocol::TCP);
    if listens && tcp { socket.local_addr().ok()?.as_socket() } else { None }
}

fn is_transparent(socket: &OwnedFd, address: SocketAddr) -> bool {
    let socket = SockRef::from(socket);
    let transparent = if address.is_ipv4() { socket.ip_transparent_v4() } else { socket.ip_transparent_v6() };
    transparent.unwrap_or(false)
}
