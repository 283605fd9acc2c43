//! Requests that hops pass on, and whom they are taken for: by any proxy that appends to `x-forwarded-for` itself.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::bundle::{A, B, GATEWAY, STRANGER};

/// A request, and whom it is taken for: a name, or how the reason begins for which it is denied.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The address it comes from.
    pub from: IpAddr,
    /// The values of its `x-forwarded-for`, each a header of its own.
    pub forwarded: &'static [&'static str],
    /// Whom it is taken for.
    pub taken_for: &'static str,
}

const FEW: &str =
    "unknown-peer: who sends cannot be told: x-forwarded-for of a trusted hop has fewer entries";
const MALFORMED: &str =
    "unknown-peer: who sends cannot be told: x-forwarded-for of a trusted hop: expected an address";

const fn row(from: IpAddr, forwarded: &'static [&'static str], taken_for: &'static str) -> Row {
    Row { from, forwarded, taken_for }
}

/// Believes one gateway in front of a proxy that appends too; others are their own address.
#[must_use]
pub fn gateway_and_proxy() -> (Value, &'static [Row]) {
    const ROWS: &[Row] = &[
        row(GATEWAY, &["127.0.11.2"], "a"),
        row(GATEWAY, &["127.0.11.3"], "b"),
        row(GATEWAY, &["127.0.11.4"], "gateway"),
        row(GATEWAY, &["198.51.100.1"], "world"),
        row(GATEWAY, &["2001:db8::a"], "a"),
        row(GATEWAY, &["2001:0DB8:0::b"], "b"),
        row(GATEWAY, &["::ffff:127.0.11.2"], "a"),
        // What the client wrote is to the left of what the gateway did, in one header or in several.
        row(GATEWAY, &["127.0.11.2, 127.0.11.3"], "b"),
        row(GATEWAY, &["127.0.11.2,127.0.11.2,127.0.11.2,198.51.100.1"], "world"),
        row(GATEWAY, &["127.0.11.2", "127.0.11.3"], "b"),
        row(GATEWAY, &["127.0.11.2", "127.0.11.2", "198.51.100.1"], "world"),
        row(GATEWAY, &["junk, , 127.0.11.3:80, 127.0.11.2"], "a"),
        // Fewer than the gateway and the proxy write.
        row(GATEWAY, &[], FEW),
        // What the gateway should not have written.
        row(GATEWAY, &["unknown"], MALFORMED),
        row(GATEWAY, &["127.0.11.2:80"], MALFORMED),
        row(GATEWAY, &["[2001:db8::a]"], MALFORMED),
        row(GATEWAY, &["[2001:db8::a]:80"], MALFORMED),
        row(GATEWAY, &["127.0.11.2, unknown"], MALFORMED),
        row(GATEWAY, &["127.0.11.2,"], MALFORMED),
        row(GATEWAY, &["127.0.11.2", "unknown"], MALFORMED),
        row(GATEWAY, &["127.0.11.02"], MALFORMED),
        row(GATEWAY, &["127.0.11.2/32"], MALFORMED),
        // Nobody else speaks for others.
        row(STRANGER, &[], "world"),
        row(STRANGER, &["127.0.11.2"], "world"),
        row(STRANGER, &["127.0.11.2, 127.0.11.4"], "world"),
        row(STRANGER, &["127.0.11.2", "127.0.11.4", "127.0.11.4"], "world"),
        row(STRANGER, &["unknown"], "world"),
        row(A, &["127.0.11.3"], "a"),
        row(B, &["127.0.11.2, 127.0.11.4"], "b"),
    ];
    (json!([trusting(2), "source"]), ROWS)
}

/// Believes the same gateway, and nobody at all on the word of an address.
#[must_use]
pub fn gateway_alone() -> (Value, &'static [Row]) {
    const ROWS: &[Row] = &[
        row(GATEWAY, &["127.0.11.2"], "a"),
        row(GATEWAY, &[], FEW),
        row(A, &[], "world"),
        row(A, &["127.0.11.3"], "world"),
        row(STRANGER, &["127.0.11.2, 127.0.11.4"], "world"),
    ];
    (json!([trusting(2)]), ROWS)
}

/// The source that believes the gateway, so many places from the right.
#[must_use]
pub fn trusting(hops: u8) -> Value {
    json!({"forwardedFor": {"trustedHops": hops, "from": {"only": [300]}}})
}
