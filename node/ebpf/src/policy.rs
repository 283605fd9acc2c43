//! Identities and policy: look-ups by longest prefix.

use aya_ebpf::maps::lpm_trie::Key;
use postern_node_abi::{Address, Endpoint, EndpointFlags, PolicyKey, Reason, Verdict, WORLD, direction};

use crate::maps::{IDENTITIES_V4, IDENTITIES_V6, POLICY};

/// A [`Verdict`] in the low byte, and these bits.
pub(crate) type Answer = u32;
/// A redirect that a plain allowance covers as well.
const PLAIN: Answer = 0x100;
/// No entry spoke of it.
const NO_MATCH: Answer = 0x200;

/// Who has this address.
#[inline(never)]
pub(crate) fn identity(address: &Address, family: u8) -> u32 {
    let found = if family == 4 {
        IDENTITIES_V4.get(Key::new(32, address.tail()))
    } else {
        IDENTITIES_V6.get(Key::new(128, *address))
    };
    match found {
        Some(identity) => *identity,
        None => WORLD,
    }
}

/// What the endpoint's policy says.
#[inline(never)]
pub(crate) fn ask(endpoint: &Endpoint, direction: u8, peer: u32, protocol: u8, port: u16) -> Answer {
    let mut key =
        PolicyKey { policy: endpoint.policy, identity: peer, direction, protocol, port: port.to_be_bytes() };
    let (default_deny, complete) = match direction {
        direction::INGRESS => (EndpointFlags::INGRESS_DEFAULT_DENY, EndpointFlags::INGRESS_COMPLETE),
        _ => (EndpointFlags::EGRESS_DEFAULT_DENY, EndpointFlags::EGRESS_COMPLETE),
    };
    let of_peer = look_up(&key);
    let decided = of_peer != u32::from(Verdict::NONE) && endpoint.flags & complete != 0;
    key.identity = 0;
    let of_any = if decided { u32::from(Verdict::NONE) } else { look_up(&key) };
    let (a, b) = (of_peer & 0xff, of_any & 0xff);
    let stronger = if a > b { a } else { b };
    if stronger != u32::from(Verdict::NONE) {
        let allowed = a == u32::from(Verdict::ALLOW) || b == u32::from(Verdict::ALLOW);
        let plain = allowed || (of_peer | of_any) & PLAIN != 0;
        return stronger | if plain { PLAIN } else { 0 };
    }
    let verdict = if endpoint.flags & default_deny != 0 { Verdict::DENY } else { Verdict::ALLOW };
    u32::from(verdict) | NO_MATCH
}

#[inline(always)]
fn look_up(key: &PolicyKey) -> Answer {
    match POLICY.get(Key::new(PolicyKey::ALL_BITS, *key)) {
        Some(value) => u32::from(value.verdict) | if value.plain != 0 { PLAIN } else { 0 },
        None => u32::from(Verdict::NONE),
    }
}

/// Whether the answer is a denial.
#[inline(always)]
pub(crate) fn denies(answer: Answer) -> bool {
    answer & 0xff == u32::from(Verdict::DENY)
}

/// Whether the answer is that the proxy decides.
#[inline(always)]
pub(crate) fn redirects(answer: Answer) -> bool {
    answer & 0xff == u32::from(Verdict::REDIRECT)
}

/// Whether what cannot reach the proxy may pass.
#[inline(always)]
pub(crate) fn is_plain(answer: Answer) -> bool {
    answer & PLAIN != 0
}

/// Why the answer is a denial.
#[inline(always)]
pub(crate) fn denial(answer: Answer) -> Reason {
    if answer & NO_MATCH != 0 { Reason::POLICY_DENIED } else { Reason::RULE_DENIED }
}
