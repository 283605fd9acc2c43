//! The places where programs sit.

/// A place where a program sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// What an endpoint sends, at the host's side of its device.
    FromEndpoint,
    /// What an endpoint gets, at the host's side of its device.
    ToEndpoint,
    /// What comes in by a link to other nodes.
    FromUplink,
    /// What goes out by a link to other nodes.
    ToUplink,
    /// Where the network namespace looks for a socket.
    Steer,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::FromEndpoint, Self::ToEndpoint, Self::FromUplink, Self::ToUplink, Self::Steer];
    /// Those of an endpoint's device. What the endpoint sends is judged before anything reaches it.
    pub(super) const ENDPOINT: [Self; 2] = [Self::FromEndpoint, Self::ToEndpoint];
    /// Those of a link to other nodes.
    pub(super) const UPLINK: [Self; 2] = [Self::FromUplink, Self::ToUplink];

    /// The program's name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::FromEndpoint => "from_endpoint",
            Self::ToEndpoint => "to_endpoint",
            Self::FromUplink => "from_uplink",
            Self::ToUplink => "to_uplink",
            Self::Steer => "steer",
        }
    }

    /// Whether it sees what the device receives, seen from the host.
    pub(super) const fn is_ingress(self) -> bool {
        matches!(self, Self::FromEndpoint | Self::FromUplink)
    }

    /// The name of the pinned link.
    pub(super) fn pin(self, ifindex: u32) -> String {
        format!("{}-{ifindex}", self.program())
    }

    /// What the name of a pinned link says.
    pub(super) fn of_pin(name: &str) -> Option<(Self, u32)> {
        let (program, ifindex) = name.split_once('-')?;
        let hook = Self::ALL.into_iter().find(|hook| hook.program() == program)?;
        Some((hook, ifindex.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_pin_says_what_it_is() {
        for hook in Hook::ALL {
            assert_eq!(Hook::of_pin(&hook.pin(12)), Some((hook, 12)));
        }
        for other in ["", "steer", "steer-", "steer-new", "from_endpoint-4294967296", "elsewhere-1"] {
            assert_eq!(Hook::of_pin(other), None, "{other}");
        }
    }
}
