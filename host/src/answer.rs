//! Answers that the proxy gives itself, for the filter or on its own account.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use postern_host_vm::LocalResponse;

use crate::body::ProxyBody;

const GRPC: &[u8] = b"application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Longer than any reason that a client shows.
const MAX_GRPC_MESSAGE: usize = 1024;

/// In which protocol the client expects an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Http,
    Grpc,
}

impl Dialect {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let grpc = |value: &HeaderValue| {
            // `application/grpc`, `application/grpc+proto`, but not `application/grpc-web`, which is plain HTTP.
            let rest = value.as_bytes().strip_prefix(GRPC)?;
            matches!(rest.first(), None | Some(b'+' | b';' | b' ')).then_some(())
        };
        match request.get(CONTENT_TYPE).and_then(grpc) {
            Some(()) => Self::Grpc,
            None => Self::Http,
        }
    }
}

/// An answer of a few words, such as an error.
pub(crate) fn text(status: StatusCode, body: &'static str, dialect: Dialect) -> Response<ProxyBody> {
    let headers = HeaderMap::new();
    let body = Bytes::from_static(body.as_bytes());
    local(LocalResponse { status, headers, body, grpc_status: None, details: String::new() }, dialect)
}

/// The answer as it goes out.
pub(crate) fn local(answer: LocalResponse, dialect: Dialect) -> Response<ProxyBody> {
    let LocalResponse { status, mut headers, body, grpc_status, details: _ } = answer;
    // The length is that of the body, whatever was said.
    headers.remove(CONTENT_LENGTH);
    crate::request::strip_hops(&mut headers);
    let (status, body) = match dialect {
        Dialect::Http => {
            if !body.is_empty() {
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
            }
            (status, body)
        }
        Dialect::Grpc => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, grpc_status.unwrap_or_else(|| to_grpc(status)).into());
            if let Some(message) = grpc_message(&body) {
                headers.insert(GRPC_MESSAGE, message);
            }
            (StatusCode::OK, Bytes::new())
        }
    };
    let mut response = Response::new(ProxyBody::own(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// gRPC's own table of HTTP status codes.
fn to_grpc(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// The body as a message: percent-encoded, without the line's end.
fn grpc_message(body: &[u8]) -> Option<HeaderValue> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let body = body.trim_ascii();
    let body = body.get(..MAX_GRPC_MESSAGE).unwrap_or(body);
    let mut message = Vec::with_capacity(body.len());
    for &byte in body {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            message.push(byte);
        } else {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            message.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    if message.is_empty() { None } else { HeaderValue::from_maybe_shared(Bytes::from(message)).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial() -> LocalResponse {
        LocalResponse {
            status: StatusCode::FORBIDDEN,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"Access denied: 100%\xff\r\n"),
            grpc_status: None,
            details: String::new(),
        }
    }

    #[test]
    fn http_gets_the_body_as_text() {
        let answer = local(denial(), Dialect::Http);
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
    }

    #[test]
    fn grpc_gets_trailers_only() {
        let answer = local(denial(), Dialect::Grpc);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc");
        assert_eq!(answer.headers()[GRPC_STATUS], "7");
        assert_eq!(answer.headers()[GRPC_MESSAGE], "Access denied: 100%25%FF");
        let given = local(LocalResponse { grpc_status: Some(16), ..denial() }, Dialect::Grpc);
        assert_eq!(given.headers()[GRPC_STATUS], "16");
    }

    #[test]
    fn grpc_web_is_http() {
        for (content_type, dialect) in [
            ("application/grpc", Dialect::Grpc),
            ("application/grpc+proto", Dialect::Grpc),
            ("application/grpc-web", Dialect::Http),
            ("text/plain", Dialect::Http),
        ] {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect();
            assert_eq!(Dialect::of(&headers), dialect, "{content_type}");
        }
    }
}
