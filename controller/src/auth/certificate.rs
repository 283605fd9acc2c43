//! The node that a client certificate names: `node:NAME`, as a URI among its alternative names or as its common name.
//!
//! TLS has checked the signature and the dates by now. What is left is to find two fields, and anything unexpected on
//! the way refuses the certificate.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const OBJECT: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const URI: u8 = 0x86;
const STRINGS: [u8; 3] = [0x0c, 0x13, 0x16];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const PREFIX: &str = "node:";

/// A certificate does not say which node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateNameError {
    /// It does not read as X.509.
    #[error("the client certificate cannot be read")]
    Malformed,
    /// No node.
    #[error("the client certificate names no node: expected the common name or a URI of the form node:NAME")]
    None,
    /// More than one.
    #[error("the client certificate names more than one node")]
    Several,
}

/// The one node that the certificate names.
///
/// # Errors
/// When it names none, or more than one.
pub fn node_of(certificate: &[u8]) -> Result<String, CertificateNameError> {
    let names = names(certificate).ok_or(CertificateNameError::Malformed)?;
    let mut nodes: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    match nodes.as_slice() {
        [node] if !node.is_empty() => Ok((*node).to_owned()),
        [] | [_] => Err(CertificateNameError::None),
        _ => Err(CertificateNameError::Several),
    }
}

/// The common names and URIs of a certificate.
fn names(certificate: &[u8]) -> Option<Vec<&str>> {
    let mut outer = Der(certificate).expect(SEQUENCE)?;
    let mut body = outer.expect(SEQUENCE)?;
    body.optional(VERSION)?;
    let _serial = body.next()?;
    let _algorithm = body.expect(SEQUENCE)?;
    let _issuer = body.expect(SEQUENCE)?;
    let _validity = body.expect(SEQUENCE)?;
    let mut subject = body.expect(SEQUENCE)?;
    let _key = body.expect(SEQUENCE)?;
    let mut found = Vec::new();
    while !subject.0.is_empty() {
        let mut set = subject.expect(SET)?;
        while !set.0.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?;
            let is_name = attribute.expect(OBJECT)?.0 == COMMON_NAME;
            let (tag, value) = attribute.next()?;
            if is_name && STRINGS.contains(&tag) {
                found.push(std::str::from_utf8(value).ok()?);
            }
        }
    }
    while !body.0.is_empty() {
        let (tag, value) = body.next()?;
        if tag == EXTENSIONS {
            let mut extensions = Der(value).expect(SEQUENCE)?;
            while !extensions.0.is_empty() {
                alternative_names(extensions.expect(SEQUENCE)?, &mut found)?;
            }
        }
    }
    Some(found)
}

fn alternative_names<'a>(mut extension: Der<'a>, found: &mut Vec<&'a str>) -> Option<()> {
    let kind = extension.expect(OBJECT)?;
    extension.optional(BOOLEAN)?;
    let value = extension.expect(OCTETS)?;
    if kind.0 != ALTERNATIVE_NAMES {
        return Some(());
    }
    let mut names = Der(value.0).expect(SEQUENCE)?;
    while !names.0.is_empty() {
        let (tag, value) = names.next()?;
        if tag == URI {
            found.push(std::str::from_utf8(value).ok()?);
        }
    }
    Some(())
}

/// DER that is still to be read.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            // Indefinite, or larger than any certificate.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, expected: u8) -> Option<Der<'a>> {
        let (tag, content) = self.next()?;
        (tag == expected).then_some(Der(content))
    }

    fn optional(&mut self, expected: u8) -> Option<()> {
        if self.0.first() == Some(&expected) {
            self.next()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common_name: &str, uris: &[&str]) -> Vec<u8> {
        let mut parameters = CertificateParams::new(vec!["node:dns".replace(':', "-")]).unwrap();
        parameters.distinguished_name.push(DnType::OrganizationName, "node:organization");
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        for uri in uris {
            parameters.subject_alt_names.push(SanType::URI((*uri).try_into().unwrap()));
        }
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_common_name_or_a_uri_names_the_node() {
        assert_eq!(node_of(&certificate("node:n1", &[])).as_deref(), Ok("n1"));
        assert_eq!(node_of(&certificate("x", &["spiffe://a/b", "node:n2"])).as_deref(), Ok("n2"));
        assert_eq!(node_of(&certificate("node:n1", &["node:n1"])).as_deref(), Ok("n1"));
    }

    #[test]
    fn none_or_several_are_refused() {
        assert_eq!(node_of(&certificate("n1", &["spiffe://a/node:n1"])), Err(CertificateNameError::None));
        assert_eq!(node_of(&certificate("node:", &[])), Err(CertificateNameError::None));
        assert_eq!(node_of(&certificate("node:n1", &["node:n2"])), Err(CertificateNameError::Several));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let whole = certificate("node:n1", &["node:n1"]);
        for length in 0..whole.len() {
            assert_eq!(node_of(&whole[..length]), Err(CertificateNameError::Malformed), "{length}");
        }
    }
}
