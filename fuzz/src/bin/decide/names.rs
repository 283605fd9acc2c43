//! The few names that everything is made of, so that policies meet what exists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use postern_tests_oracle::address::Prefix;

pub(crate) const NAMESPACES: [&str; 3] = ["default", "team-a", "team-b"];
pub(crate) const NODES: [&str; 3] = ["n0", "n1", "n2"];
/// The last is the local one.
pub(crate) const CLUSTERS: [&str; 2] = ["east", "default"];
pub(crate) const ACCOUNTS: [&str; 2] = ["api", "job"];
pub(crate) const PORTS: [u16; 8] = [80, 81, 443, 8080, 8081, 53, 1, 65_535];
pub(crate) const PORT_NAMES: [&str; 3] = ["web", "api", "dns"];
pub(crate) const SERVICES: [(&str, &str); 3] = [("default", "web"), ("default", "ext"), ("team-a", "web")];
/// The last never exists.
pub(crate) const GROUPS: [&str; 3] = ["g1", "g2", "g3"];
pub(crate) const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "CONNECT"];
pub(crate) const HOSTS: [&str; 4] = ["app", "app:8080", "app.example.com", "other"];
/// Each has one reading only: what is ambiguous is refused, whatever the policies say.
pub(crate) const PATHS: [&str; 10] = [
    "/",
    "/public",
    "/public/",
    "/public?x=1",
    "/PUBLIC",
    "/private",
    "/api/v1",
    "/api/v1.0",
    "/api/v1x0",
    "/a",
];
pub(crate) const HEADERS: [&str; 3] = ["X-Role", "x-token", "X-ROLE"];
pub(crate) const VALUES: [&str; 3] = ["admin", "Admin", "42"];

/// Addresses outside, most of them at the border of some prefix.
pub(crate) const OUTSIDE: [&str; 10] = [
    "203.0.113.7",
    "203.0.113.8",
    "203.0.113.15",
    "203.0.113.16",
    "203.0.114.0",
    "198.51.100.1",
    "10.0.0.200",
    "192.168.0.77",
    "2001:db8::1",
    "2001:db9::",
];

/// A prefix and what may be left out of it.
pub(crate) const PREFIXES: [(&str, &[&str]); 10] = [
    ("0.0.0.0/0", &["203.0.113.0/24", "198.51.100.1/32", "10.0.0.0/8"]),
    ("::/0", &["2001:db8::/32", "2001:db8::1/128"]),
    ("203.0.113.0/24", &["203.0.113.8/29", "203.0.113.8/32", "203.0.113.0/25"]),
    ("203.0.113.8/29", &["203.0.113.8/32", "203.0.113.12/30"]),
    ("203.0.113.8/32", &[]),
    ("203.0.112.0/22", &["203.0.113.0/24", "203.0.113.15/32"]),
    ("10.0.0.0/8", &["10.0.0.0/25"]),
    ("10.0.0.1/32", &[]),
    ("192.168.0.0/16", &["192.168.0.1/32"]),
    ("2001:db8::/32", &["2001:db8:0:1::/64"]),
];

/// Reads a prefix of the tables.
pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap_or(Prefix { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), length: 0 })
}

/// Reads an address of the tables.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

pub(crate) fn workload_address(index: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number(index)).into()
}

pub(crate) fn workload_address_v6(index: usize) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number(index).into()).into()
}

pub(crate) fn node_address(index: usize) -> IpAddr {
    Ipv4Addr::new(192, 168, 0, number(index)).into()
}

fn number(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}
