//! Readings: what a path may mean to the servers behind a proxy.
//!
//! Servers disagree about dot segments, `//`, encoded slashes, backslashes, `;` parameters, encoded
//! unreserved characters and `#`. A request is let through only if every reading is: a path that two
//! servers could read in two ways is never allowed by accident.

use std::borrow::Cow;

/// Every reading of a request target, the target as it was sent first, no reading twice.
///
/// The query is kept as it is. The usual path has one reading, and finding that out is one pass over it.
pub fn readings(target: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut readings = vec![Cow::Borrowed(target)];
    // `*`, and the authority of a CONNECT, are not paths.
    if !target.starts_with(b"/") && !target.starts_with(b"\\") {
        return readings;
    }
    let mut add = |target: &[u8]| {
        let (path, query) = split_query(target);
        if !is_plain(path) {
            for how in Normalisation::ALL {
                let mut reading = how.apply(path);
                reading.extend_from_slice(query);
                if !readings.iter().any(|known| **known == *reading) {
                    readings.push(Cow::Owned(reading));
                }
            }
        }
    };
    add(target);
    if let Some(end) = target.iter().position(|byte| *byte == b'#') {
        // Most servers cut a fragment off, a few read it as part of the path.
        let cut = target.get(..end).unwrap_or_default();
        add(cut);
        if !readings.iter().any(|known| **known == *cut) {
            readings.push(Cow::Owned(cut.to_vec()));
        }
    }
    readings
}

fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    target.split_at_checked(end).unwrap_or((target, b""))
}

/// Whether a path holds nothing that any normalisation would touch.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    path.iter().all(|&byte| {
        let plain = match byte {
            b'%' | b'\\' | b';' | b'#' => false,
            b'/' | b'.' => previous != b'/',
            _ => true,
        };
        previous = byte;
        plain
    })
}

/// How much of the percent-encoding a server undoes before it looks at the path.
#[derive(Clone, Copy, PartialEq)]
enum Decode {
    Nothing,
    /// RFC 3986 §6.2.2.2: letters, digits and `-._~`, which mean the same either way.
    Unreserved,
    /// The separators too: `%2F`, `%5C` and `%3B`.
    Separators,
}

/// One server's habits.
#[derive(Clone, Copy)]
struct Normalisation {
    decode: Decode,
    backslash_is_slash: bool,
    strip_parameters: bool,
    merge_slashes: bool,
    resolve_dots: bool,
}

impl Normalisation {
    const ALL: [Self; 48] = Self::all();

    /// Every combination of the habits: servers really differ in each of them on its own.
    const fn all() -> [Self; 48] {
        let first = Self {
            decode: Decode::Nothing,
            backslash_is_slash: false,
            strip_parameters: false,
            merge_slashes: false,
            resolve_dots: false,
        };
        let mut all = [first; 48];
        let mut rest: &mut [Self] = &mut all;
        let mut n = 0;
        while let [how, tail @ ..] = rest {
            how.decode = match n / 16 {
                0 => Decode::Nothing,
                1 => Decode::Unreserved,
                _ => Decode::Separators,
            };
            how.backslash_is_slash = n & 8 != 0;
            how.strip_parameters = n & 4 != 0;
            how.merge_slashes = n & 2 != 0;
            how.resolve_dots = n & 1 != 0;
            rest = tail;
            n += 1;
        }
        all
    }

    fn apply(self, path: &[u8]) -> Vec<u8> {
        let mut path = decode(path, self.decode);
        if self.backslash_is_slash {
            path.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        let mut segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
        if self.strip_parameters {
            for segment in &mut segments {
                *segment = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            }
        }
        if self.merge_slashes {
            let last = segments.len().saturating_sub(1);
            let mut index = 0;
            segments.retain(|segment| {
                let keep = !segment.is_empty() || index == last;
                index += 1;
                keep
            });
        }
        if self.resolve_dots {
            segments = resolve_dots(segments);
        }
        let mut out = Vec::with_capacity(path.len() + 1);
        for segment in segments {
            out.push(b'/');
            out.extend_from_slice(segment);
        }
        if out.is_empty() {
            out.push(b'/');
        }
        out
    }
}

/// RFC 3986 §5.2.4, on segments: a path that ends in a dot segment keeps its final slash.
fn resolve_dots(segments: Vec<&[u8]>) -> Vec<&[u8]> {
    let last = segments.len().saturating_sub(1);
    let mut out: Vec<&[u8]> = Vec::with_capacity(segments.len());
    for (index, segment) in segments.into_iter().enumerate() {
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    out.pop();
                }
                if index == last {
                    out.push(b"");
                }
            }
            _ => out.push(segment),
        }
    }
    out
}

fn decode(path: &[u8], what: Decode) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let decoded = match (*byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match decoded {
            Some(value) if undoes(what, value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn undoes(what: Decode, value: u8) -> bool {
    let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
    match what {
        Decode::Nothing => false,
        Decode::Unreserved => unreserved,
        Decode::Separators => unreserved || b"/\\;".contains(&value),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reading in `expected` is found, and nothing else but the target itself.
    fn check(target: &str, expected: &[&str]) {
        let found = readings(target.as_bytes());
        let mut found: Vec<String> =
            found.iter().map(|reading| String::from_utf8_lossy(reading).into_owned()).collect();
        assert_eq!(found.remove(0), target);
        found.sort();
        let mut expected: Vec<String> = expected.iter().map(|s| (*s).to_owned()).collect();
        expected.sort();
        assert_eq!(found, expected, "{target}");
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        for plain in ["/", "/public", "/v1.2/a-b_c~d", "/a?x=/../%2e//;", "*", "", "example.com:443", "/a/b/"]
        {
            check(plain, &[]);
        }
    }

    #[test]
    fn dot_segments() {
        check("/a/../b", &["/b"]);
        check("/a/./b", &["/a/b"]);
        check("/a/..", &["/"]);
        check("/../a?q=/..", &["/a?q=/.."]);
        check("/.hidden", &[]);
    }

    #[test]
    fn slashes() {
        check("//a///b/", &["/a/b/"]);
        check("/a\\b", &["/a/b"]);
        check("//a/../b", &["//b", "/a/../b", "/b"]);
    }

    #[test]
    fn encodings() {
        check("/%61", &["/a"]);
        check("/%20", &[]);
        check("/a%2fb", &["/a/b"]);
        check("/a/%2e%2E/b", &["/a/../b", "/b"]);
        check("/%zz%4", &[]);
        check("/%252e", &[]);
    }

    #[test]
    fn parameters_and_fragments() {
        check("/a;v=1/b", &["/a/b"]);
        check("/a/..;/b", &["/a/../b", "/b"]);
        check("/a#/../b", &["/b", "/a"]);
    }
}
