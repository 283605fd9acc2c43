//! Header fields that belong to one hop, and those that a hop adds.

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Removes what `Connection` names, and what belongs to a hop anyway.
pub(crate) fn strip_hops(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(names).collect();
        for name in named {
            // The authority is not the client's to take away.
            if name != HOST {
                headers.remove(name);
            }
        }
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn names(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    // What is not a name cannot be a header's.
    tokens(value).filter_map(|token| HeaderName::from_bytes(token).ok())
}

/// The comma-separated words of a value.
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether the client takes trailers: gRPC servers insist on being told.
pub(crate) fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().flat_map(tokens).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// Adds the client to `x-forwarded-for`, as one field: some servers read only the first.
pub(crate) fn append_forwarded_for(headers: &mut HeaderMap, client: &HeaderValue) {
    let value = match joined(headers, &X_FORWARDED_FOR, b", ", Some(client)) {
        Some(value) => value,
        None => client.clone(),
    };
    headers.insert(X_FORWARDED_FOR, value);
}

/// HTTP/2 clients may send a cookie in pieces; to HTTP/1.1 and to the filter it is one.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some()
        && let Some(cookie) = joined(headers, &COOKIE, b"; ", None)
    {
        headers.insert(COOKIE, cookie);
    }
}

fn joined(
    headers: &HeaderMap,
    name: &HeaderName,
    separator: &[u8],
    last: Option<&HeaderValue>,
) -> Option<HeaderValue> {
    if !headers.contains_key(name) {
        return None;
    }
    let values: Vec<&[u8]> = headers.get_all(name).iter().chain(last).map(HeaderValue::as_bytes).collect();
    // Valid values and separators make a valid value.
    HeaderValue::from_maybe_shared(Bytes::from(values.join(separator))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn a_hop_keeps_its_own_and_what_it_names() {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("connection", "close, X-Mine"),
            ("connection", "host,, bad name"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-mine", "1"),
            ("x-other", "2"),
        ] {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        assert!(wants_trailers(&map));
        strip_hops(&mut map);
        assert_eq!(map, headers(&[("host", "a"), ("x-other", "2")]));
    }

    #[test]
    fn the_client_comes_last() {
        let client = HeaderValue::from_static("10.0.0.1");
        let mut map = HeaderMap::new();
        append_forwarded_for(&mut map, &client);
        assert_eq!(map["x-forwarded-for"], "10.0.0.1");
        map.append("x-forwarded-for", "1.1.1.1".parse().unwrap());
        append_forwarded_for(&mut map, &client);
        assert_eq!(map, headers(&[("x-forwarded-for", "10.0.0.1, 1.1.1.1, 10.0.0.1")]));
    }

    #[test]
    fn a_cookie_in_pieces_is_joined() {
        let mut map = HeaderMap::new();
        map.append("cookie", "a=1".parse().unwrap());
        map.append("cookie", "b=2".parse().unwrap());
        join_cookies(&mut map);
        assert_eq!(map, headers(&[("cookie", "a=1; b=2")]));
    }
}
