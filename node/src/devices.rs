//! Which device of this machine leads to which endpoint.

use std::collections::HashMap;
use std::net::IpAddr;

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::{
    Handle, IpVersion, LinkGetRequest, MulticastGroup, RouteMessageBuilder, new_multicast_connection,
};
use tokio::sync::watch;

/// Routing tables and devices, asked of the kernel.
#[derive(Debug, Clone)]
pub struct Devices {
    handle: Handle,
}

/// The kernel did not say.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// A request failed.
    #[error("the kernel refuses to tell its {what}: {cause}")]
    Request {
        /// What was asked for.
        what: &'static str,
        /// Why it refuses.
        cause: rtnetlink::Error,
    },
    /// A device could not be looked up: there may be one.
    #[error("cannot look the device {name} up: {cause}")]
    Device {
        /// Its name, or its number.
        name: String,
        /// Why.
        cause: rtnetlink::Error,
    },
    /// There is no such device.
    #[error("there is no device {0}: `ip link` lists those there are")]
    NoDevice(String),
}

impl Devices {
    /// Opens the socket. The receiver changes whenever a device or a route does.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn open() -> Result<(Self, watch::Receiver<u64>), DeviceError> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];
        let (connection, handle, mut messages) = new_multicast_connection(&groups)?;
        drop(tokio::spawn(connection));
        let (changed, changes) = watch::channel(0);
        drop(tokio::spawn(async move {
            while messages.next().await.is_some() {
                changed.send_modify(|count| *count += 1);
            }
        }));
        Ok((Self { handle }, changes))
    }

    /// The device of this name.
    ///
    /// # Errors
    /// When there is none, or the kernel does not say.
    pub async fn index(&self, name: &str) -> Result<u32, DeviceError> {
        let request = self.handle.link().get().match_name(name.to_owned());
        match link(request, name).await? {
            Some(link) => Ok(link.header.index),
            None => Err(DeviceError::NoDevice(name.to_owned())),
        }
    }

    /// Whether there is a device of this number.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub async fn exists(&self, ifindex: u32) -> Result<bool, DeviceError> {
        let request = self.handle.link().get().match_index(ifindex);
        Ok(link(request, &ifindex.to_string()).await?.is_some())
    }

    /// The devices that routes to single addresses go through: where container networks give each pod a
    /// device of its own, that is how they lead to it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub async fn host_routes(&self) -> Result<HashMap<IpAddr, u32>, DeviceError> {
        let mut found = HashMap::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let query = match version {
                IpVersion::V4 => RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
                IpVersion::V6 => RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
            };
            let routes: Vec<RouteMessage> =
                self.handle.route().get(query).execute().try_collect().await.map_err(failed("routes"))?;
            found.extend(routes.iter().filter_map(host_route));
        }
        Ok(found)
    }

    /// The devices that default routes go through: those that lead to other nodes and to the world.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub async fn default_routes(&self) -> Result<Vec<u32>, DeviceError> {
        let query = RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
        let routes: Vec<RouteMessage> =
            self.handle.route().get(query).execute().try_collect().await.map_err(failed("routes"))?;
        let default = |route: &&RouteMessage| {
            route.header.destination_prefix_length == 0 && route.header.table == RouteHeader::RT_TABLE_MAIN
        };
        Ok(routes.iter().filter(default).filter_map(device).collect())
    }
}

/// The link that was asked for. That there is none is an answer; any other error is not.
async fn link(request: LinkGetRequest, name: &str) -> Result<Option<LinkMessage>, DeviceError> {
    match request.execute().try_next().await {
        Ok(link) => Ok(link),
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENODEV => Ok(None),
        Err(cause) => Err(DeviceError::Device { name: name.to_owned(), cause }),
    }
}

fn failed(what: &'static str) -> impl FnOnce(rtnetlink::Error) -> DeviceError {
    move |cause| DeviceError::Request { what, cause }
}

fn host_route(route: &RouteMessage) -> Option<(IpAddr, u32)> {
    let header = &route.header;
    let whole = if header.address_family == AddressFamily::Inet { 32 } else { 128 };
    let single = header.destination_prefix_length == whole
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    });
    // Over a gateway it is another machine's.
    let direct = !route.attributes.iter().any(|attribute| matches!(attribute, RouteAttribute::Gateway(_)));
    if single && direct { address.zip(device(route)) } else { None }
}

fn device(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}
