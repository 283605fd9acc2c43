//! Readers: what real servers make of a request target, each on its own and as its sources or manual describe it.
//!
//! They share nothing with the engine's steps. `None` is a server that refuses the request.

use crate::parts::{
    authority, before, decode, decode_all, decode_but, dots, merge, no_params, segments, slashes, unreserved,
};

/// A server.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    /// Whether it may stand behind a port with the profile `envoy`.
    pub(crate) rfc: bool,
    pub(crate) read: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn any(name: &'static str, read: fn(&[u8]) -> Option<Vec<u8>>) -> Reader {
    Reader { name, rfc: false, read }
}

const fn rfc(name: &'static str, read: fn(&[u8]) -> Option<Vec<u8>>) -> Reader {
    Reader { name, rfc: true, read }
}

pub(crate) const READERS: &[Reader] = &[
    rfc("as sent: haproxy, varnish, Envoy without normalisation", |path| Some(path.to_vec())),
    rfc("RFC 3986 §6.2.2", |path| Some(dots(&unreserved(&before(path, b"#"))))),
    rfc("RFC 3986 §6.2.2, network-path references as §4.2", |path| {
        Some(dots(&unreserved(&authority(path))))
    }),
    rfc("RFC 3986, segments decoded after dots", |path| {
        decode_but(&dots(&unreserved(&before(path, b"#"))), b"/\\%;?#")
    }),
    rfc("Envoy: normalize_path", |path| Some(envoy(path, false, false))),
    rfc("Envoy: normalize_path, merge_slashes", |path| Some(envoy(path, false, true))),
    rfc("Envoy: all of it, slashes unescaped", |path| Some(envoy(path, true, true))),
    rfc("Envoy: slashes unescaped, paths not normalised", |path| Some(slashes(path))),
    rfc("Envoy: merge_slashes alone", |path| Some(merge(path))),
    rfc("Envoy, an RFC 3986 server behind it", |path| {
        Some(dots(&unreserved(&before(&envoy(path, true, true), b"#"))))
    }),
    rfc("Envoy behind Envoy", |path| Some(envoy(&envoy(path, true, true), true, true))),
    any("nginx, merge_slashes on", |path| nginx(path, true)),
    any("nginx, merge_slashes off", |path| nginx(path, false)),
    any("nginx, proxy_pass with a path, an application that decodes", |path| decode_all(&nginx(path, true)?)),
    any("Apache httpd before 2.4.49", |path| Some(merge(&dots(&decode_all(&before(path, b"#"))?)))),
    any("Apache httpd, AllowEncodedSlashes On", |path| decode_all(&dots(&merge(&unreserved(path))))),
    any("Apache httpd, AllowEncodedSlashes On, files", |path| {
        Some(dots(&merge(&decode_all(&dots(&merge(&unreserved(path))))?)))
    }),
    any("Apache httpd, AllowEncodedSlashes NoDecode", |path| {
        decode_but(&dots(&merge(&unreserved(path))), b"/")
    }),
    any("Tomcat", |path| Some(dots(&merge(&decode_all(&no_params(path))?)))),
    any("Tomcat, backslashes allowed", |path| Some(dots(&merge(&backslash(&decode_all(&no_params(path))?))))),
    any("Tomcat, encoded slashes passed through", |path| {
        Some(dots(&merge(&decode_but(&no_params(path), b"/")?)))
    }),
    any("Jetty 9", |path| Some(dots(&decode_all(&no_params(&before(path, b"#")))?))),
    any("Jetty, decoded dots left to the application", |path| {
        decode_all(&dots(&no_params(&before(path, b"#"))))
    }),
    any("Undertow", |path| Some(merge(&dots(&decode_all(&no_params(path))?)))),
    any("WebLogic: decodes, then cuts parameters", |path| Some(dots(&no_params(&decode_all(path)?)))),
    any("Spring's UrlPathHelper", |path| Some(merge(&decode_all(&no_params(path))?))),
    any("Spring's PathPattern", |path| decode_all(&no_params(path))),
    any("Express", |path| Some(before(path, b"#"))),
    any("Express, serve-static", |path| Some(merge(&dots(&decode_all(&before(path, b"#"))?)))),
    any("Express, serve-static on Windows", |path| {
        Some(merge(&dots(&backslash(&decode_all(&before(path, b"#"))?))))
    }),
    any("Node, new URL(url, base)", whatwg),
    any("Node, new URL(url, base), then decodeURIComponent", |path| decode_all(&whatwg(path)?)),
    any("Node, url.parse", |path| Some(before(&backslash(path), b"#"))),
    any("Go, r.URL.Path", |path| decode_all(&rooted(path))),
    any("Go, path.Clean of r.URL.Path", |path| Some(clean(&decode_all(&rooted(path))?))),
    any("Go, r.URL.EscapedPath", |path| Some(rooted(path))),
    any("Go, url.Parse of the target", |path| decode_all(&authority(path))),
    any("Kestrel", |path| Some(dots(&decode_but(path, b"/")?))),
    any("Kestrel, decoded slashes in the application", |path| decode_all(&dots(&decode_but(path, b"/")?))),
    any("http.sys", |path| Some(dots(&backslash(&decode_all(path)?)))),
    any("http.sys, files", |path| Some(tails(&dots(&merge(&backslash(&decode_all(path)?)))))),
    any("http.sys, %u", |path| Some(dots(&backslash(&utf16(path)?)))),
    any("PHP, parse_url of REQUEST_URI", |path| Some(authority(path))),
    any("PHP, rawurldecode of parse_url", |path| decode_all(&authority(path))),
    any("PHP, PATH_INFO behind nginx", |path| nginx(path, true)),
    any("gunicorn, WSGI", |path| decode_all(&before(path, b"#"))),
    any("werkzeug", |path| Some(merge(&decode_all(&before(path, b"#"))?))),
    any("Starlette", decode_all),
    any("yarl, aiohttp", |path| Some(dots(&unreserved(&before(path, b"#"))))),
    any("Rails", |path| decode_all(&merge(path))),
    any("lighttpd, url-normalize", |path| Some(dots(&merge(&backslash(&slashes(&unreserved(path))))))),
    any("Caddy, Traefik: decoded and cleaned", |path| Some(clean(&decode_all(path)?))),
    any("an application that decodes once more", |path| decode_all(&decode_all(path)?)),
    any("an application that decodes once more, then cleans", |path| {
        Some(clean(&decode_all(&decode_all(path)?)?))
    }),
    any("an application that decodes three times", |path| {
        Some(clean(&decode_all(&decode_all(&decode_all(path)?)?)?))
    }),
    any("nginx, then Tomcat on the path as sent by nginx", |path| {
        Some(dots(&merge(&decode_all(&no_params(&nginx(path, true)?))?)))
    }),
    any("Envoy, then Tomcat", |path| Some(dots(&merge(&decode_all(&no_params(&envoy(path, true, true)))?)))),
    any("Envoy, then Go", |path| Some(clean(&decode_all(&envoy(path, false, false))?))),
    any("Apache httpd, then Tomcat", |path| {
        Some(dots(&merge(&decode_all(&no_params(&dots(&merge(&unreserved(path)))))?)))
    }),
    any("what decodes and then parses: ? and # end the path", |path| Some(before(&decode_all(path)?, b"?#"))),
    any("C strings: a zero byte ends the path", |path| Some(before(&decode(path, |_| true), b"\0"))),
    any("overlong encodings undone", |path| Some(dots(&decode(&overlong(path), |value| value != 0)))),
    any("blanks behind names cut", |path| Some(dots(&trimmed(&decode(path, |value| value != 0))))),
    any("tabs and line ends dropped", |path| {
        let kept: Vec<u8> =
            decode(path, |_| true).into_iter().filter(|byte| !b"\t\r\n".contains(byte)).collect();
        path.iter().any(|byte| b"\t\r\n".contains(byte)).then(|| dots(&kept))
    }),
];

fn backslash(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// As Envoy's connection manager: escaped slashes, then Chromium's canonical form, then slashes merged.
fn envoy(path: &[u8], unescape: bool, merged: bool) -> Vec<u8> {
    let path = if unescape { slashes(path) } else { path.to_vec() };
    let path = dots(&unreserved(&backslash(&path)));
    if merged { merge(&path) } else { path }
}

/// `ngx_http_parse_complex_uri`: one decoding, and the states for dots and slashes see what was decoded; `#` ends it.
fn nginx(path: &[u8], merged: bool) -> Option<Vec<u8>> {
    let path = decode_all(&before(&rooted(path), b"#"))?;
    let path = if merged { merge(&path) } else { path };
    Some(dots(&path))
}

/// The WHATWG parser with a base of a special scheme: backslashes are slashes, tabs and line ends are nothing, and any
/// number of slashes may stand before the authority.
fn whatwg(path: &[u8]) -> Option<Vec<u8>> {
    let kept: Vec<u8> = path.iter().copied().filter(|byte| !b"\t\r\n".contains(byte)).collect();
    let path = backslash(&before(&kept, b"#"));
    let path = match path.strip_prefix(b"//") {
        Some(rest) => {
            let skipped = rest.iter().take_while(|byte| **byte == b'/').count();
            let rest = &rest[skipped..];
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            [b"/".as_slice(), rest[end..].strip_prefix(b"/").unwrap_or_default()].concat()
        }
        None => path,
    };
    // `%2e` is a dot segment here, and nothing else is decoded.
    let dot = |segment: &[u8]| match segment.to_ascii_lowercase().as_slice() {
        b"%2e" => b".".to_vec(),
        b".%2e" | b"%2e." | b"%2e%2e" => b"..".to_vec(),
        _ => segment.to_vec(),
    };
    Some(dots(&segments(&path, |segment| dot(segment))))
}

/// A target in absolute form without what is before its path.
fn rooted(target: &[u8]) -> Vec<u8> {
    let Some(start) = target.windows(3).position(|three| three == b"://") else { return target.to_vec() };
    if target[..start].contains(&b'/') || start == 0 {
        return target.to_vec();
    }
    let rest = &target[start + 3..];
    let end = rest.iter().position(|byte| *byte == b'/');
    end.map_or(b"/".to_vec(), |end| rest[end..].to_vec())
}

/// Go's `path.Clean`, with the final slash put back as the mux does.
fn clean(path: &[u8]) -> Vec<u8> {
    dots(&merge(path))
}

fn tails(path: &[u8]) -> Vec<u8> {
    segments(path, |segment| {
        let end = segment.iter().rposition(|byte| !b". ".contains(byte)).map_or(0, |last| last + 1);
        if end == 0 { segment.to_vec() } else { segment[..end].to_vec() }
    })
}

fn trimmed(path: &[u8]) -> Vec<u8> {
    segments(path, |segment| match segment.trim_ascii_end() {
        dots @ (b"." | b"..") => dots.to_vec(),
        _ => segment.to_vec(),
    })
}

fn utf16(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [b'u' | b'U', b'0', b'0', high, low, more @ ..]) = (byte, tail)
            && let Ok(value) = u8::from_str_radix(&String::from_utf8_lossy(&[*high, *low]), 16)
        {
            out.push(value);
            rest = more;
            continue;
        }
        out.push(*byte);
    }
    decode_all(&out)
}

fn overlong(path: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(path).into_owned();
    let mut text =
        text.replace("%C0", "%c0").replace("%C1", "%c1").replace("%AE", "%ae").replace("%AF", "%af");
    for (from, to) in [("%c0%ae", "."), ("%c0%af", "/"), ("%c1%9c", "\\")] {
        text = text.replace(from, to);
    }
    text.into_bytes()
}
