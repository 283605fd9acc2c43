//! What is asked, in the interface's terms.

use std::net::{IpAddr, SocketAddr};

use super::bindings::exports::postern::policy::decider::{Address, Connection, Direction, Endpoint, Request};
use crate::connection::{ConnectionInfo, Direction as Known};
use crate::headers::Headers;

pub(super) fn connection(info: &ConnectionInfo) -> Connection<'_> {
    Connection {
        source: endpoint(info.source()),
        destination: endpoint(info.destination()),
        direction: match info.direction() {
            Known::Outbound => Direction::Egress,
            // Both at once is the bundle's to say; the guest of the other door reads it so too.
            Known::Inbound | Known::Unspecified => Direction::Ingress,
        },
        certificate: info.peer_uri().map(str::as_bytes),
    }
}

fn endpoint(end: SocketAddr) -> Endpoint {
    let address = match end.ip() {
        IpAddr::V4(address) => Address::Ipv4(address.to_bits()),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.octets();
            let halves = [[a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]].map(u64::from_be_bytes);
            Address::Ipv6(halves.into())
        }
    };
    Endpoint { address, port: end.port() }
}

/// The request of a list of headers. `None` where it has no method, or two of what there is one of: which of them the
/// upstream would use cannot be told.
pub(super) fn request<'a>(
    headers: &'a Headers,
    list: &'a mut Vec<(&'a [u8], &'a [u8])>,
) -> Option<Request<'a>> {
    let (mut method, mut path, mut authority) = (None, None, None);
    for (name, value) in headers.iter() {
        let field = match name {
            b":method" => &mut method,
            b":path" => &mut path,
            b":authority" => &mut authority,
            _ => {
                list.push((name, value));
                continue;
            }
        };
        if field.replace(value).is_some() {
            return None;
        }
    }
    Some(Request { method: method?, path, authority, headers: list })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], expected: Option<(&str, Option<&str>, Option<&str>, usize)>) {
        let mut of = Headers::new();
        for (name, value) in headers {
            of.push(name.as_bytes(), value.as_bytes());
        }
        let mut list = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let asked = request(&of, &mut list).map(|request| {
            let Request { method, path, authority, headers } = request;
            (text(method), path.map(text), authority.map(text), headers.len())
        });
        let expected = expected.map(|(method, path, authority, others)| {
            (method.to_owned(), path.map(str::to_owned), authority.map(str::to_owned), others)
        });
        assert_eq!(asked, expected, "{headers:?}");
    }

    #[test]
    fn a_request_has_one_method_and_at_most_one_path_and_authority() {
        check(
            &[(":method", "GET"), (":path", "/"), ("a", "1"), ("a", "2")],
            Some(("GET", Some("/"), None, 2)),
        );
        check(&[(":method", "CONNECT"), (":authority", "h")], Some(("CONNECT", None, Some("h"), 0)));
        check(&[(":method", "GET"), (":scheme", "http")], Some(("GET", None, None, 1)));
        check(&[(":path", "/"), (":authority", "h")], None);
        for twice in [":method", ":path", ":authority"] {
            check(&[(":method", "GET"), (twice, "a"), (twice, "a")], None);
        }
    }

    #[test]
    fn an_address_is_its_bytes_in_their_order() {
        let of = |text: &str| endpoint(text.parse().unwrap()).address;
        assert!(matches!(of("10.0.0.2:1"), Address::Ipv4(0x0a00_0002)));
        assert!(matches!(of("[fd00::1]:1"), Address::Ipv6((0xfd00_0000_0000_0000, 1))));
    }
}
