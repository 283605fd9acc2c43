//! The tutorial's world, as `deploy/tutorial` has it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Behind the proxy.
pub const APP1: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 10, 1));
/// May `GET /public`.
pub const APP2: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 10, 2));
/// May nothing.
pub const APP3: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 10, 3));
/// Where upstreams run: no workload of the tutorial.
pub const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 10, 100)), 0);

/// The policy as the tutorial prints it.
pub const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tutorial/policy.yaml");
/// What it means, in today's dialect.
pub const POLICY_V2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tutorial/policy-v2.yaml");
/// The three workloads.
pub const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/tutorial/inventory.yaml");

/// What `GET /public` answers.
pub const PUBLIC: &[u8] = b"{ 'val': 'this is public' }\n";
/// What a denied request is answered.
pub const DENIED: &[u8] = b"Access denied\r\n";

/// The tutorial's policy and inventory as arguments, for the workload that they are about.
pub const ARGS: [&str; 8] =
    ["--policy", POLICY, "--inventory", INVENTORY, "--workload", "default/app1", "--port", "80"];
