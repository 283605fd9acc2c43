//! What a request is for: one authority and one path, or no request.

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};

/// The authority and the path, in the bytes that the filter sees and the upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) authority: HeaderValue,
    /// None for `CONNECT`, which has only an authority.
    pub(crate) path: Option<PathAndQuery>,
}

/// The request can be read in more than one way, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("bad request: expected exactly one Host\r\n")]
    NotOneHost,
    #[error("bad request: Host disagrees with the request's target\r\n")]
    HostDisagrees,
    #[error("bad request: Host is not host or host:port\r\n")]
    BadHost,
    #[error("bad request: the target's path does not begin with /\r\n")]
    BadPath,
}

impl Target {
    pub(crate) fn of(parts: &Parts) -> Result<Self, BadTarget> {
        let mut hosts = parts.headers.get_all(HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(BadTarget::NotOneHost);
        }
        let authority = match (parts.uri.authority(), host) {
            (Some(authority), Some(host)) if authority.as_str().as_bytes() != host.as_bytes() => {
                return Err(BadTarget::HostDisagrees);
            }
            (_, Some(host)) => host.clone(),
            // HTTP/2 needs no Host beside `:authority`.
            (Some(authority), None) if parts.version == http::Version::HTTP_2 => {
                HeaderValue::from_str(authority.as_str()).map_err(|_| BadTarget::BadHost)?
            }
            (_, None) => return Err(BadTarget::NotOneHost),
        };
        if !is_authority(authority.as_bytes()) {
            return Err(BadTarget::BadHost);
        }
        let path = if parts.method == Method::CONNECT { None } else { Some(path(parts)?) };
        Ok(Self { authority, path })
    }
}

/// `host` or `host:port`, without user and password.
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    !bytes.is_empty() && bytes.iter().all(fits)
}

fn path(parts: &Parts) -> Result<PathAndQuery, BadTarget> {
    let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let text = path.as_str();
    // Without its slash (`http://host?x`), hyper would write another path than the filter has seen.
    let whole_server = text == "*" && parts.method == Method::OPTIONS;
    if text.starts_with('/') || whole_server { Ok(path) } else { Err(BadTarget::BadPath) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Version};

    #[track_caller]
    fn check(
        version: Version,
        method: &str,
        uri: &str,
        hosts: &[&str],
        expected: Result<(&str, &str), BadTarget>,
    ) {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let target = Target::of(&parts);
        let seen = target.as_ref().map(|target| {
            let path = target.path.as_ref().map_or("", |path| path.as_str());
            (target.authority.to_str().unwrap(), path)
        });
        assert_eq!(seen, expected.as_ref().map(|e| *e), "{method} {uri} {hosts:?}");
    }

    #[test]
    fn there_is_one_authority() {
        use BadTarget::{BadHost, HostDisagrees, NotOneHost};
        let h1 = Version::HTTP_11;
        check(h1, "GET", "/a?b", &["h:80"], Ok(("h:80", "/a?b")));
        check(h1, "GET", "http://h/a", &["h"], Ok(("h", "/a")));
        check(h1, "GET", "http://h/a", &["H"], Err(HostDisagrees));
        check(h1, "GET", "/a", &[], Err(NotOneHost));
        check(h1, "GET", "/a", &["h", "h"], Err(NotOneHost));
        check(h1, "GET", "http://h/a", &[], Err(NotOneHost));
        for bad in ["", "a b", "u@h", "h/p", "h#f", "h,i\\"] {
            check(h1, "GET", "/a", &[bad], Err(BadHost));
        }
        check(Version::HTTP_2, "GET", "http://h/a", &[], Ok(("h", "/a")));
        check(Version::HTTP_2, "GET", "http://h/a", &["g"], Err(HostDisagrees));
        check(Version::HTTP_2, "GET", "http://u@h/a", &[], Err(BadHost));
        check(h1, "CONNECT", "h:443", &["h:443"], Ok(("h:443", "")));
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        let h1 = Version::HTTP_11;
        check(h1, "GET", "http://h", &["h"], Ok(("h", "/")));
        check(h1, "GET", "http://h?x", &["h"], Err(BadTarget::BadPath));
        check(h1, "OPTIONS", "*", &["h"], Ok(("h", "*")));
        check(h1, "GET", "*", &["h"], Err(BadTarget::BadPath));
    }
}
