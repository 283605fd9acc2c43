//! Service addresses, translated inside each pod's namespace, where no agent runs that does it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};

use crate::net::Namespace;
use crate::tool;

const TABLE: &str = "inet postern_services";

/// Who translates service addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ServiceProxy {
    /// nftables in each pod's namespace
    PodNft,
    /// Nobody but the node's agent
    #[default]
    None,
}

/// One port of one address of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frontend {
    pub(crate) address: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

/// What the port carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// Each frontend with its backends, which are of the same family.
pub(crate) type Services = BTreeMap<Frontend, Vec<SocketAddr>>;

/// The rules as `nft -f` takes them: they replace those that are there at once.
pub(crate) fn ruleset(services: &Services) -> String {
    let (mut translated, mut refused) = (String::new(), String::new());
    for (Frontend { address, protocol, port }, backends) in services {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        let transport = if *protocol == Protocol::Tcp { "tcp" } else { "udp" };
        let matching = format!("    {family} daddr {address} {transport} dport {port}");
        // Writing to a string does not fail.
        let _ = match backends.as_slice() {
            [] => writeln!(refused, "{matching} reject"),
            [only] => writeln!(translated, "{matching} dnat {family} to {only}"),
            several => {
                let elements = several
                    .iter()
                    .enumerate()
                    .map(|(index, backend)| format!("{index} : {} . {}", backend.ip(), backend.port()));
                let elements = elements.collect::<Vec<_>>().join(", ");
                let count = several.len();
                writeln!(
                    translated,
                    "{matching} dnat {family} to numgen random mod {count} map {{ {elements} }}"
                )
            }
        };
    }
    format!(
        "add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n  \
         chain translate {{\n    type nat hook output priority -100\n{translated}  }}\n  \
         chain refuse {{\n    type filter hook output priority 0\n{refused}  }}\n}}\n"
    )
}

/// Puts a ruleset into a namespace.
pub(crate) fn apply(namespace: &Namespace, ruleset: &str) -> Result<()> {
    let mut command = namespace.command("nft");
    command.args(["-f", "-"]);
    tool::run(&mut command, ruleset).context("cannot program the services of a pod").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_backends_has_its_rule() {
        let frontend =
            |address: &str| Frontend { address: address.parse().unwrap(), protocol: Protocol::Tcp, port: 80 };
        let backends =
            |list: &[&str]| -> Vec<SocketAddr> { list.iter().map(|item| item.parse().unwrap()).collect() };
        let services = Services::from([
            (frontend("10.0.0.1"), vec![]),
            (frontend("10.0.0.2"), backends(&["10.1.0.1:8080"])),
            (frontend("fd00::3"), backends(&["[fd01::1]:80", "[fd01::2]:80"])),
        ]);
        let rules = ruleset(&services);
        for line in [
            "ip daddr 10.0.0.1 tcp dport 80 reject\n",
            "ip daddr 10.0.0.2 tcp dport 80 dnat ip to 10.1.0.1:8080\n",
            "ip6 daddr fd00::3 tcp dport 80 dnat ip6 to numgen random mod 2 map { 0 : fd01::1 . 80, 1 : fd01::2 . 80 }\n",
        ] {
            assert!(rules.contains(line), "{line}\nis not in\n{rules}");
        }
    }
}
