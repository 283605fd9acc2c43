//! Callers: who sends a connection or a request, from what there is to tell it by.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU8;

use super::{AddressTable, IdentityId, forwarded};
use crate::endpoint::Peers;

/// How a SPIFFE URI starts.
pub const SPIFFE: &str = "spiffe://";

/// Everything by which somebody is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// By address.
    pub addresses: AddressTable,
    /// By the SPIFFE URI of a certificate.
    pub spiffe: HashMap<Box<str>, IdentityId>,
}

/// One way to tell who sends. They are asked in the order that an attachment gives; the first that knows decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSource {
    /// The SPIFFE URI of the certificate that the host has verified. One that nobody is known by is the world's; a
    /// connection without any is asked of the next source.
    Spiffe,
    /// The address in `x-forwarded-for`, of requests that come from a trusted hop. Others are asked of the next
    /// source; so are connections, which have no headers.
    ForwardedFor {
        /// The place from the right: how many hops that append to the header are trusted, this host included
        /// where it appends too.
        trusted_hops: NonZeroU8,
        /// Whose header is believed, by the connection's own address.
        from: Peers,
    },
    /// The connection's own address.
    Source,
}

/// What a host shows of who sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The URI of the peer's certificate, verified by the host.
    pub certificate: Option<&'a [u8]>,
    /// The headers, where it is a request.
    pub headers: Option<&'a [(&'a [u8], &'a [u8])]>,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The address: the connection's, or the one that a trusted hop vouches for.
    pub address: IpAddr,
    /// Who that is.
    pub identity: IdentityId,
}

/// Why it cannot be told who sends: nothing passes then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePeer {
    /// The header has fewer entries than there are trusted hops.
    #[error("x-forwarded-for of a trusted hop has fewer entries than there are trusted hops")]
    Missing,
    /// What a trusted hop should have written is no address.
    #[error("x-forwarded-for of a trusted hop: expected an address, without port, from every hop")]
    Malformed,
}

impl From<AddressTable> for Known {
    fn from(addresses: AddressTable) -> Self {
        Self { addresses, spiffe: HashMap::new() }
    }
}

impl Known {
    /// Who sends, from an address and with this evidence. Without any source, the address decides.
    ///
    /// # Errors
    /// When a source that must know it cannot be read.
    pub fn caller(
        &self,
        sources: &[PeerSource],
        address: IpAddr,
        evidence: &Evidence<'_>,
    ) -> Result<Caller, UnreadablePeer> {
        let by_address = |address| Caller { address, identity: self.addresses.identity(address) };
        if sources.is_empty() {
            return Ok(by_address(address));
        }
        for source in sources {
            match source {
                PeerSource::Spiffe => {
                    if let Some(uri) = evidence.certificate.filter(|uri| uri.starts_with(SPIFFE.as_bytes())) {
                        return Ok(Caller { address, identity: self.certified(uri) });
                    }
                }
                PeerSource::ForwardedFor { trusted_hops, from } => {
                    let trusted = from.contains(self.addresses.identity(address));
                    if let Some(headers) = evidence.headers.filter(|_| trusted) {
                        return forwarded::address(headers, *trusted_hops).map(by_address);
                    }
                }
                PeerSource::Source => return Ok(by_address(address)),
            }
        }
        Ok(Caller { address, identity: IdentityId::WORLD })
    }

    /// The identity of a SPIFFE URI. The address does not speak for somebody who has shown another name.
    fn certified(&self, uri: &[u8]) -> IdentityId {
        let known = std::str::from_utf8(uri).ok().and_then(|uri| self.spiffe.get(uri));
        known.copied().unwrap_or(IdentityId::WORLD)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;

    const GATEWAY: &str = "192.0.2.1";
    const POD: &str = "192.0.2.2";
    const STRANGER: &str = "192.0.2.3";

    fn known() -> Known {
        let entries = [(GATEWAY, 300), (POD, 301)];
        Known {
            addresses: entries
                .map(|(a, id)| (format!("{a}/32").parse().unwrap(), IdentityId(id)))
                .into_iter()
                .collect(),
            spiffe: HashMap::from([("spiffe://td/ns/a/sa/b".into(), IdentityId(400))]),
        }
    }

    fn forwarded() -> PeerSource {
        PeerSource::ForwardedFor {
            trusted_hops: NonZeroU8::MIN,
            from: Peers::Only(Arc::new(BTreeSet::from([IdentityId(300)]))),
        }
    }

    fn check(
        sources: &[PeerSource],
        from: &str,
        certificate: Option<&str>,
        header: Option<&str>,
        expected: Result<u32, UnreadablePeer>,
    ) {
        let headers: Vec<_> =
            header.iter().map(|value| (&b"x-forwarded-for"[..], value.as_bytes())).collect();
        let evidence = Evidence { certificate: certificate.map(str::as_bytes), headers: Some(&headers) };
        let caller = known().caller(sources, from.parse().unwrap(), &evidence);
        let case = format!("{sources:?} {from} {certificate:?} {header:?}");
        assert_eq!(caller.map(|caller| caller.identity.0), expected, "{case}");
    }

    #[test]
    fn the_first_source_that_knows_decides() {
        use PeerSource::{Source, Spiffe};
        let (ours, theirs) = (Some("spiffe://td/ns/a/sa/b"), Some("spiffe://td/ns/a/sa/c"));
        for default in [&[][..], &[Source][..]] {
            check(default, POD, ours, Some(GATEWAY), Ok(301));
        }
        check(&[Spiffe, Source], POD, ours, None, Ok(400));
        check(&[Source, Spiffe], POD, ours, None, Ok(301));
        // Another name than the known ones: not the workload that has the address.
        check(&[Spiffe, Source], POD, theirs, None, Ok(2));
        check(&[Spiffe, Source], POD, Some("spiffe://TD/ns/a/sa/b"), None, Ok(2));
        // None at all, or none of SPIFFE: the next source, where there is one.
        check(&[Spiffe, Source], POD, None, None, Ok(301));
        check(&[Spiffe, Source], POD, Some("https://td/ns/a/sa/b"), None, Ok(301));
        check(&[Spiffe], POD, None, None, Ok(2));
    }

    #[test]
    fn only_a_trusted_hop_speaks_for_others() {
        use PeerSource::Source;
        let sources = [forwarded(), Source];
        check(&sources, GATEWAY, None, Some(POD), Ok(301));
        check(&sources, GATEWAY, None, Some("198.51.100.1"), Ok(2));
        check(&sources, STRANGER, None, Some(POD), Ok(2));
        check(&sources, POD, None, Some(GATEWAY), Ok(301));
        check(&sources, GATEWAY, None, None, Err(UnreadablePeer::Missing));
        check(&sources, GATEWAY, None, Some("unknown"), Err(UnreadablePeer::Malformed));
    }

    #[test]
    fn a_connection_has_no_headers_and_is_its_own_address() {
        let gateway = GATEWAY.parse().unwrap();
        let caller = known().caller(&[forwarded(), PeerSource::Source], gateway, &Evidence::default());
        assert_eq!(caller.map(|caller| caller.identity), Ok(IdentityId(300)));
    }
}
