//! Handing the proxy's listeners to the programs. The proxy does this, in its own process.

use std::error::Error;
use std::os::fd::BorrowedFd;
use std::path::Path;

use aya::maps::{Map, MapData, SockMap};
use postern_node_abi::listener;
use socket2::SockRef;

use super::error::DatapathError;
use super::folder::maps_below;

/// Lets connections of the socket's family that HTTP rules speak of go to this listening socket. It has
/// to be transparent (`IP_TRANSPARENT`). The registration ends with the socket: from then on, such
/// connections are dropped.
pub fn register_listener(root: &Path, socket: BorrowedFd<'_>) -> Result<(), DatapathError> {
    register(root, socket).map_err(|cause| DatapathError::Listener { root: root.to_owned(), cause })
}

fn register(root: &Path, socket: BorrowedFd<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = SockRef::from(&socket).local_addr()?;
    let index = match (address.is_ipv4(), address.is_ipv6()) {
        (true, _) => listener::V4,
        (_, true) => listener::V6,
        _ => return Err("the socket is neither of IPv4 nor of IPv6".into()),
    };
    let data = MapData::from_pin(maps_below(root).join("LISTENERS"))?;
    let mut listeners: SockMap<MapData> = SockMap::try_from(Map::SockMap(data))?;
    listeners.set(index, &socket, 0)?;
    Ok(())
}
