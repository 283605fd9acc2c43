//! Why a packet was dropped, and what is counted.

/// A reason, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Reason(pub u8);

macro_rules! reasons {
    ($($number:literal $name:ident $text:literal $(#[$doc:meta])*;)*) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All of them, in the order of their numbers, which are the indices of the counters.
            pub const ALL: &'static [Self] = &[$(Self($number)),*];

            /// The stable name, for logs, metrics and events.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown",
                }
            }
        }
        $(const _: () = assert!(Reason::ALL.len() > $number);)*
    };
}

reasons! {
    0 FORWARDED "forwarded" /** Not dropped. */;
    1 POLICY_DENIED "policy-denied" /** No rule allows it, and default deny is on. */;
    2 RULE_DENIED "rule-denied" /** A rule denies it. */;
    3 SPOOFED "spoofed" /** The source is not an address of the endpoint, or is one and came from elsewhere. */;
    4 NO_PROXY "no-proxy" /** It has to go to the proxy, and no proxy listens. */;
    5 NOT_STEERED "not-steered" /** It has to go to the proxy, and it came by a way that does not lead there. */;
    6 UNPARSABLE "unparsable" /** Malformed, or of a form that is not read. */;
    7 TRUNCATED "truncated" /** Shorter than its headers say. */;
    8 UNKNOWN_FRAGMENT "unknown-fragment" /** A later fragment whose first one was not seen. */;
    9 UNSUPPORTED "unsupported-protocol" /** Neither IP nor ARP, under default deny. */;
    10 POLICY_MAP_FULL "policy-map-full" /** The endpoint's policy did not fit into the map. */;
    11 UNKNOWN_ENDPOINT "unknown-endpoint" /** The device has no endpoint record yet. */;
    12 FLOW_CUT "flow-cut" /** An established flow that policy no longer allows, or that now has to go to the proxy. */;
    13 CONNTRACK_FULL "conntrack-full" /** The flow could not be remembered. */;
    14 NO_BACKEND "no-backend" /** A service without backends. */;
    15 INTERNAL "internal" /** A map that must be there is not. */;
    16 EVENTS_LOST "events-lost" /** Not a drop: events that found the ring full. */;
}

/// Counted for each reason and each processor.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Packets (or events, for [`Reason::EVENTS_LOST`]).
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

const _: () = assert!(size_of::<Counter>() == 16);
