//! The kernel's routing rules over rtnetlink.

use std::io;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use rtnetlink::{Handle, IpVersion, new_connection};
use tokio::task::JoinHandle;

use super::plan::{Family, Route, Rule};

/// The loopback device has this number in every network namespace.
const LO: u32 = 1;

/// Steering cannot be set up or taken away.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] io::Error),
    /// A rule of somebody else's has the place of ours.
    #[error(
        "`ip {family} rule` has `{found}`, where `{wanted}` should be; remove it, or stop what puts it there, and try again"
    )]
    ForeignRule {
        /// Of which packets.
        family: Family,
        /// What there is.
        found: String,
        /// What should be there.
        wanted: Rule,
    },
    /// Somebody else uses our table.
    #[error(
        "`ip {family} route show table {table}` has {found} beside `{wanted}`; nothing else may be in that table: remove it, \
         or stop what puts it there, and try again",
        table = wanted.table
    )]
    ForeignRoute {
        /// Of which packets.
        family: Family,
        /// What there is.
        found: String,
        /// What should be there, alone.
        wanted: Route,
    },
    /// The kernel refuses something.
    #[error("the kernel refuses `{command}`: {}", advice(cause))]
    Kernel {
        /// What was asked for, as `ip` would do it.
        command: String,
        /// What it answered.
        cause: rtnetlink::Error,
    },
}

fn advice(cause: &rtnetlink::Error) -> String {
    match errno(cause) {
        Some(libc::EPERM | libc::EACCES) => "not permitted; run it as root or with CAP_NET_ADMIN".to_owned(),
        Some(libc::ENETDOWN) => "the device lo is down; `ip link set lo up`".to_owned(),
        Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => {
            format!(
                "{cause}; the kernel needs policy routing (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)"
            )
        }
        _ => cause.to_string(),
    }
}

/// The kernel's error number.
fn errno(cause: &rtnetlink::Error) -> Option<i32> {
    match cause {
        rtnetlink::Error::NetlinkError(message) => message.code.map(|code| code.get().saturating_abs()),
        _ => None,
    }
}

/// A connection to the kernel of the network namespace that it was opened in.
pub(super) struct Kernel {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kernel {
    pub(super) fn open() -> Result<Self, SteerError> {
        let (connection, handle, _) = new_connection().map_err(SteerError::Socket)?;
        Ok(Self { handle, task: tokio::spawn(connection) })
    }

    /// All rules of a family.
    pub(super) async fn rules(&self, family: Family) -> Result<Vec<RuleMessage>, SteerError> {
        let version = match family {
            Family::V4 => IpVersion::V4,
            Family::V6 => IpVersion::V6,
        };
        let rules = self.handle.rule().get(version).execute().try_collect().await;
        rules.map_err(|cause| failed(format!("ip {family} rule show"), cause))
    }

    /// The routes in a table.
    pub(super) async fn routes(&self, family: Family, table: u32) -> Result<Vec<RouteMessage>, SteerError> {
        let mut every = RouteMessage::default();
        every.header.address_family = number(family);
        let routes: Result<Vec<_>, _> = self
            .handle
            .route()
            .get(every)
            .execute()
            .try_filter(|route| std::future::ready(table_of(route) == table))
            .try_collect()
            .await;
        routes.map_err(|cause| failed(format!("ip {family} route show table {table}"), cause))
    }

    /// Whether it is new.
    pub(super) async fn add_rule(&self, rule: &Rule) -> Result<bool, SteerError> {
        let mut request = self.handle.rule().add();
        *request.message_mut() = rule_message(rule);
        changed(request.execute().await, libc::EEXIST)
            .map_err(|cause| failed(format!("ip {} rule add {rule}", rule.family), cause))
    }

    /// Whether it was there.
    pub(super) async fn delete_rule(&self, rule: &Rule) -> Result<bool, SteerError> {
        changed(self.handle.rule().del(rule_message(rule)).execute().await, libc::ENOENT)
            .map_err(|cause| failed(format!("ip {} rule delete {rule}", rule.family), cause))
    }

    /// Whether it is new.
    pub(super) async fn add_route(&self, route: &Route) -> Result<bool, SteerError> {
        changed(self.handle.route().add(route_message(route)).execute().await, libc::EEXIST)
            .map_err(|cause| failed(format!("ip {} route add {route}", route.family), cause))
    }

    /// Whether it was there.
    pub(super) async fn delete_route(&self, route: &Route) -> Result<bool, SteerError> {
        let mut message = route_message(route);
        // Whoever made it, and however: it is the same route.
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        changed(self.handle.route().del(message).execute().await, libc::ESRCH)
            .map_err(|cause| failed(format!("ip {} route delete {route}", route.family), cause))
    }
}

fn failed(command: String, cause: rtnetlink::Error) -> SteerError {
    SteerError::Kernel { command, cause }
}

/// Somebody else may have been faster: then nothing changed.
fn changed(result: Result<(), rtnetlink::Error>, already: i32) -> Result<bool, rtnetlink::Error> {
    match result {
        Ok(()) => Ok(true),
        Err(cause) if errno(&cause) == Some(already) => Ok(false),
        Err(cause) => Err(cause),
    }
}

fn number(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = number(rule.family);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::FwMark(rule.mark),
        RuleAttribute::FwMask(rule.mask),
        RuleAttribute::Table(rule.table),
    ];
    message
}

fn route_message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = number(route.family);
    message.header.kind = RouteType::Local;
    message.header.scope = RouteScope::Host;
    message.header.protocol = RouteProtocol::Static;
    message.attributes = vec![RouteAttribute::Table(route.table), RouteAttribute::Oif(LO)];
    message
}

pub(super) fn table_of(route: &RouteMessage) -> u32 {
    let named = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    named.unwrap_or(u32::from(route.header.table))
}

/// Whether a route delivers everything on this machine.
pub(super) fn is_local_default(route: &RouteMessage) -> bool {
    let RouteHeader { destination_prefix_length, source_prefix_length, tos, kind, .. } = &route.header;
    let over_lo = route.attributes.contains(&RouteAttribute::Oif(LO));
    *destination_prefix_length == 0
        && *source_prefix_length == 0
        && *tos == 0
        && *kind == RouteType::Local
        && over_lo
}

/// The flags that the kernel sets by itself say nothing of what a rule does.
pub(super) fn is_inverted(rule: &RuleMessage) -> bool {
    rule.header.flags.contains(RuleFlags::Invert)
}
