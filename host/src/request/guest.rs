//! A request as the filter sees it, and back.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use postern_host_vm::Headers;

use super::target::{Target, is_authority};

/// The filter edited the request into something that is not one.
#[derive(Debug, thiserror::Error)]
#[error("the filter set `{name}` to something that cannot be sent")]
pub(crate) struct Unsendable {
    name: String,
}

/// Writes a request as HTTP/2 and Envoy do: pseudo-headers first, the authority only among them.
pub(crate) fn show(parts: &Parts, target: &Target, to: &mut Headers) {
    to.clear();
    to.push(b":authority", target.authority.as_bytes());
    if let Some(path) = &target.path {
        to.push(b":path", path.as_str().as_bytes());
    }
    to.push(b":method", parts.method.as_str().as_bytes());
    to.push(b":scheme", b"http");
    for (name, value) in &parts.headers {
        if name != HOST {
            to.push(name.as_str().as_bytes(), value.as_bytes());
        }
    }
}

/// Takes over what the filter edited. Hop-by-hop headers are not its business and are removed again by the caller.
pub(crate) fn read_back(from: &Headers, parts: &mut Parts, target: &mut Target) -> Result<(), Unsendable> {
    let too_many = |_| Unsendable { name: format!("{} headers", from.len()) };
    let mut headers = HeaderMap::try_with_capacity(from.len()).map_err(too_many)?;
    for (name, value) in from.iter() {
        let bad = || Unsendable { name: String::from_utf8_lossy(name).into_owned() };
        match name {
            b":authority" if is_authority(value) => {
                target.authority = HeaderValue::from_bytes(value).map_err(|_| bad())?;
            }
            b":path" => target.path = Some(path(value).ok_or_else(bad)?),
            b":method" => parts.method = Method::from_bytes(value).map_err(|_| bad())?,
            b":scheme" => {}
            b"host" => return Err(bad()),
            // Any other pseudo-header is not a name.
            _ => {
                let name = HeaderName::from_bytes(name).map_err(|_| bad())?;
                let value = HeaderValue::from_bytes(value).map_err(|_| bad())?;
                headers.try_append(name, value).map_err(|_| bad())?;
            }
        }
    }
    parts.headers = headers;
    Ok(())
}

/// Only what comes out of the parser as it went in.
fn path(bytes: &[u8]) -> Option<PathAndQuery> {
    let path = PathAndQuery::try_from(bytes).ok()?;
    (path.as_str().as_bytes() == bytes && bytes.starts_with(b"/")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> (Parts, Target) {
        let request = http::Request::get("/a?b").header("host", "h").header("x", "1").body(()).unwrap();
        let (parts, ()) = request.into_parts();
        let target = Target::of(&parts).unwrap();
        (parts, target)
    }

    #[test]
    fn edits_come_back() {
        let (mut parts, mut target) = request();
        let mut headers = Headers::new();
        show(&parts, &target, &mut headers);
        assert_eq!(headers.get(b":path"), Some(&b"/a?b"[..]));
        assert_eq!(headers.get(b"host"), None);
        headers.set(b":path", b"/c");
        headers.set(b"x", b"2");
        read_back(&headers, &mut parts, &mut target).unwrap();
        assert_eq!(target.path.unwrap().as_str(), "/c");
        assert_eq!(parts.headers["x"], "2");
    }

    #[test]
    fn nonsense_does_not() {
        for (name, value) in [
            (":path", "c"),
            (":path", "/c#d"),
            (":path", "/c d"),
            (":authority", ""),
            (":authority", "a/b"),
            (":method", "G T"),
            (":other", "x"),
            ("host", "h"),
            ("bad name", "x"),
            ("x", "a\r\nb: c"),
        ] {
            let (mut parts, mut target) = request();
            let mut headers = Headers::new();
            show(&parts, &target, &mut headers);
            headers.set(name.as_bytes(), value.as_bytes());
            assert!(read_back(&headers, &mut parts, &mut target).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn more_headers_than_a_map_holds_are_refused() {
        for (count, sendable) in [(20_000, true), (26_000, false), (33_000, false)] {
            let (mut parts, mut target) = request();
            let mut headers = Headers::new();
            (0..count).for_each(|_| headers.push(b"x", b""));
            assert_eq!(read_back(&headers, &mut parts, &mut target).is_ok(), sendable, "{count}");
        }
    }
}
