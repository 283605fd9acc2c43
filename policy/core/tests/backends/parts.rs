//! What readers are made of.

/// Undoes the escapes of the bytes that are wanted, once, from left to right.
pub(crate) fn decode(path: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let value = path.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = value.map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        match value {
            Some(value) if path[at] == b'%' && wanted(value) => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out
}

/// All of them; a zero byte is refused.
pub(crate) fn decode_all(path: &[u8]) -> Option<Vec<u8>> {
    let out = decode(path, |_| true);
    (!out.contains(&0)).then_some(out)
}

/// All but these; a zero byte is refused.
pub(crate) fn decode_but(path: &[u8], kept: &[u8]) -> Option<Vec<u8>> {
    let out = decode(path, |value| !kept.contains(&value));
    (!out.contains(&0)).then_some(out)
}

pub(crate) fn unreserved(path: &[u8]) -> Vec<u8> {
    decode(path, |value| value.is_ascii_alphanumeric() || b"-._~".contains(&value))
}

/// `%2F` and `%5C`, as Envoy's UNESCAPE_AND_FORWARD.
pub(crate) fn slashes(path: &[u8]) -> Vec<u8> {
    decode(path, |value| matches!(value, b'/' | b'\\'))
}

pub(crate) fn before(path: &[u8], ends: &[u8]) -> Vec<u8> {
    path.split(|byte| ends.contains(byte)).next().unwrap_or_default().to_vec()
}

/// Each segment of a path that begins with a slash, changed.
pub(crate) fn segments(path: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    path.split(|byte| *byte == b'/').map(change).collect::<Vec<_>>().join(&b'/')
}

pub(crate) fn no_params(path: &[u8]) -> Vec<u8> {
    segments(path, |segment| before(segment, b";"))
}

pub(crate) fn merge(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in path {
        if !(*byte == b'/' && out.last() == Some(&b'/')) {
            out.push(*byte);
        }
    }
    out
}

/// `remove_dot_segments` of RFC 3986 §5.2.4, with its input and output buffers.
pub(crate) fn dots(path: &[u8]) -> Vec<u8> {
    let mut input = path.to_vec();
    let mut output: Vec<u8> = Vec::new();
    while !input.is_empty() {
        if input.starts_with(b"/./") {
            input.drain(..2);
        } else if input == b"/." {
            input = b"/".to_vec();
        } else if input.starts_with(b"/../") || input == b"/.." {
            input = [b"/", input.get(4..).unwrap_or_default()].concat();
            let cut = output.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            output.truncate(cut);
        } else {
            let end = input.iter().skip(1).position(|byte| *byte == b'/').map_or(input.len(), |end| end + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

/// The path of a reference that may begin with `//authority` or `scheme://authority`, without its fragment.
pub(crate) fn authority(target: &[u8]) -> Vec<u8> {
    let target = before(target, b"#");
    let scheme =
        target.windows(3).position(|three| three == b"://").filter(|at| !target[..*at].contains(&b'/'));
    let rest = match scheme {
        Some(at) => &target[at + 3..],
        None => match target.strip_prefix(b"//") {
            Some(rest) => rest,
            None => return target,
        },
    };
    let end = rest.iter().position(|byte| *byte == b'/');
    end.map_or(b"/".to_vec(), |end| rest[end..].to_vec())
}
