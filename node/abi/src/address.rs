//! Addresses: 16 bytes for both families.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv6 address, or an IPv4 address mapped into IPv6, in network order.
///
/// A packet of IPv6 that bears a mapped address is dropped as unparsable, so the two never collide.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// The all-zero address.
    pub const ZERO: Self = Self([0; 16]);

    /// An IPv4 address, mapped.
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The last four bytes: the IPv4 address, where it is one.
    #[inline(always)]
    pub const fn tail(&self) -> [u8; 4] {
        let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = self.0;
        [a, b, c, d]
    }

    /// Whether it means somebody on the same link: link-local, or that scope's multicast (RFC 4291).
    #[inline(always)]
    pub const fn is_on_link(&self) -> bool {
        let [a, b, ..] = self.0;
        (a == 0xfe && b & 0xc0 == 0x80) || (a == 0xff && b & 0x0f == 0x02)
    }

    /// The address it stands for.
    pub fn to_ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::v4(address.octets())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.octets())
    }
}

const _: () = assert!(size_of::<Address>() == 16);
