//! Prefixes, compared bit by bit.

use std::fmt;
use std::net::IpAddr;

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Any address within.
    pub address: IpAddr,
    /// How many leading bits count.
    pub length: usize,
}

impl Prefix {
    /// Reads `address/length`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        Some(Self { address: address.parse().ok()?, length: length.parse().ok()? })
    }

    /// Whether the address is within.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        let mut pairs = bits(self.address).into_iter().zip(bits(address)).take(self.length);
        same_family && pairs.all(|(own, other)| own == other)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes.into_iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_borders() {
        for (prefix, address, within) in [
            ("203.0.113.8/29", "203.0.113.7", false),
            ("203.0.113.8/29", "203.0.113.8", true),
            ("203.0.113.8/29", "203.0.113.15", true),
            ("203.0.113.8/29", "203.0.113.16", false),
            ("203.0.113.13/29", "203.0.113.8", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            let parsed = Prefix::parse(prefix).unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), within, "{prefix} {address}");
        }
    }
}
