//! `x-forwarded-for`: whose requests a trusted hop passes on.

use std::net::IpAddr;
use std::num::NonZeroU8;

use super::caller::UnreadablePeer;

/// The header, in lower case.
const NAME: &[u8] = b"x-forwarded-for";

/// The address at this place from the right of all values of the header together. Only what hops wrote that are
/// trusted is read: the rest of the header may be any length, and anything.
pub(super) fn address(headers: &[(&[u8], &[u8])], place: NonZeroU8) -> Result<IpAddr, UnreadablePeer> {
    let values = headers.iter().rev().filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
    let mut entries = values.flat_map(|(_, value)| value.rsplit(|byte| *byte == b','));
    for left in (0..place.get()).rev() {
        let entry = entries.next().ok_or(UnreadablePeer::Missing)?;
        let text = std::str::from_utf8(entry.trim_ascii()).map_err(|_| UnreadablePeer::Malformed)?;
        // An entry on the way that is none says that some hop did not write what it is trusted to.
        let address: IpAddr = text.parse().map_err(|_| UnreadablePeer::Malformed)?;
        if left == 0 {
            return Ok(address.to_canonical());
        }
    }
    Err(UnreadablePeer::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], place: u8, expected: Result<&str, UnreadablePeer>) {
        let headers: Vec<_> =
            values.iter().map(|value| (&b"X-Forwarded-For"[..], value.as_bytes())).collect();
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(address(&headers, NonZeroU8::new(place).unwrap()), expected, "{values:?} {place}");
    }

    #[test]
    fn the_place_counts_from_the_right_over_all_values() {
        check(&["192.0.2.1, 192.0.2.2"], 1, Ok("192.0.2.2"));
        check(&["192.0.2.1,192.0.2.2"], 2, Ok("192.0.2.1"));
        check(&["192.0.2.1", "192.0.2.2 , 2001:db8::3"], 2, Ok("192.0.2.2"));
        check(&["192.0.2.1", "192.0.2.2, 2001:db8::3"], 3, Ok("192.0.2.1"));
        check(&["::ffff:192.0.2.1"], 1, Ok("192.0.2.1"));
        check(&["junk, 192.0.2.1"], 1, Ok("192.0.2.1"));
    }

    #[test]
    fn what_cannot_be_read_is_nobody() {
        check(&[], 1, Err(UnreadablePeer::Missing));
        check(&["192.0.2.1"], 2, Err(UnreadablePeer::Missing));
        for bad in
            ["", " ", "unknown", "192.0.2.1:80", "[2001:db8::1]", "192.0.2", "192.0.2.1,", "192.0.2.01"]
        {
            check(&[bad], 1, Err(UnreadablePeer::Malformed));
        }
        check(&["192.0.2.1, , 192.0.2.2"], 3, Err(UnreadablePeer::Malformed));
    }
}
