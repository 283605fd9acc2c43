//! Steps: the single things that servers do to a path.

use super::{Profile, Unreadable};

/// One thing that some server does to a path before it looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A target that does not begin with a slash: `http://host/a` and `a` are `/a`.
    Root,
    /// RFC 3986 §6.2.2.2: letters, digits and `-._~`, which mean the same encoded.
    DecodeUnreserved,
    /// `:@!$&'()*+,=`, which may stand in a path encoded or not: `/a%3Ab` is `/a:b` to whoever decodes all of it.
    DecodeReserved,
    /// `%2F` and `%5C`.
    DecodeSlashes,
    /// `%3B`, `%3F` and `%23`, which begin or end something once they are decoded.
    DecodeDelimiters,
    /// `%25`, for who decodes twice.
    DecodePercent,
    BackslashIsSlash,
    /// `/a;v=1/b` is `/a/b`.
    CutParameters,
    /// `/a//b` is `/a/b`.
    MergeSlashes,
    /// RFC 3986 §5.2.4.
    ResolveDots,
    /// `/a#b` is `/a`; so is what a decoder made of `/a%3Fb`.
    CutFragment,
    /// `//host/a` is `/a` on `host`.
    CutAuthority,
    /// `///host/a` is `//host/a`: some parsers skip every slash in front of an authority.
    SkipSlashes,
    /// `/a./b` is `/a/b`: file names of some systems end neither in dots nor in blanks.
    CutTails,
}

impl Step {
    /// Every step that any server takes.
    pub(super) const STRICT: [Self; 14] = [
        Self::Root,
        Self::DecodeUnreserved,
        Self::DecodeReserved,
        Self::DecodeSlashes,
        Self::DecodeDelimiters,
        Self::DecodePercent,
        Self::BackslashIsSlash,
        Self::CutParameters,
        Self::MergeSlashes,
        Self::ResolveDots,
        Self::CutFragment,
        Self::CutAuthority,
        Self::SkipSlashes,
        Self::CutTails,
    ];

    /// Those of Envoy's normalisation and of RFC 3986.
    pub(super) const ENVOY: [Self; 9] = [
        Self::Root,
        Self::DecodeUnreserved,
        Self::DecodeReserved,
        Self::DecodeSlashes,
        Self::BackslashIsSlash,
        Self::MergeSlashes,
        Self::ResolveDots,
        Self::CutFragment,
        Self::CutAuthority,
    ];

    /// What the step makes of a path; `None` where it would have nothing to do.
    pub(super) fn apply(self, path: &[u8]) -> Option<Vec<u8>> {
        let has = |wanted: u8| path.contains(&wanted);
        let made = match self {
            Self::Root => root(path)?,
            Self::DecodeUnreserved if has(b'%') => decode(path, is_unreserved),
            Self::DecodeReserved if has(b'%') => decode(path, |value| b":@!$&'()*+,=".contains(&value)),
            Self::DecodeSlashes if has(b'%') => decode(path, |value| b"/\\".contains(&value)),
            Self::DecodeDelimiters if has(b'%') => decode(path, |value| b";?#".contains(&value)),
            Self::DecodePercent if has(b'%') => decode(path, |value| value == b'%'),
            Self::BackslashIsSlash if has(b'\\') => {
                path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
            }
            Self::CutParameters if has(b';') => on_segments(path, |segments| {
                let name = |segment: &&'_ [u8]| segment.split(|byte| *byte == b';').next().map(<[u8]>::len);
                segments.iter().map(|segment| segment.get(..name(segment)?)).collect::<Option<_>>()
            })?,
            Self::MergeSlashes => on_segments(path, |segments| Some(merge(segments)))?,
            Self::ResolveDots => on_segments(path, |segments| Some(resolve_dots(segments)))?,
            Self::CutFragment => path
                .iter()
                .position(|byte| matches!(byte, b'#' | b'?'))
                .and_then(|end| path.get(..end))?
                .to_vec(),
            Self::CutAuthority => after_authority(path.strip_prefix(b"//")?),
            Self::SkipSlashes => path.strip_prefix(b"/").filter(|rest| rest.starts_with(b"//"))?.to_vec(),
            Self::CutTails => {
                on_segments(path, |segments| Some(segments.into_iter().map(cut_tail).collect()))?
            }
            _ => return None,
        };
        (made != path).then_some(made)
    }
}

/// Refuses what could not be gone through by steps. Servers that a profile is not for are left out.
pub(super) fn check(path: &[u8], profile: Profile) -> Result<(), Unreadable> {
    let strict = profile == Profile::Strict;
    if strict && path.iter().any(|byte| is_blank(*byte)) {
        return Err(Unreadable::Blank);
    }
    for (index, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let escape = path.get(index + 1..).unwrap_or_default();
        match unescape(escape) {
            Some(0) => return Err(Unreadable::Zero),
            Some(0xc0 | 0xc1) if strict => return Err(Unreadable::Overlong),
            None if strict && matches!(escape.first(), Some(b'u' | b'U')) => return Err(Unreadable::Utf16),
            _ => {}
        }
    }
    let blank_dots = |segment: &[u8]| {
        let rest = segment.strip_prefix(b".").map(|rest| rest.strip_prefix(b".").unwrap_or(rest));
        rest.is_some_and(|rest| match rest {
            [b'%', escape @ ..] => unescape(escape).is_some_and(is_blank),
            _ => false,
        })
    };
    match strict && path.split(|byte| *byte == b'/').any(blank_dots) {
        true => Err(Unreadable::BlankDots),
        false => Ok(()),
    }
}

/// What no path may hold as it is.
pub(super) const fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

fn is_unreserved(value: u8) -> bool {
    value.is_ascii_alphanumeric() || b"-._~".contains(&value)
}

/// Undoes the escapes of the bytes that are wanted, once.
fn decode(path: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match unescape(tail).filter(|value| *byte == b'%' && wanted(*value)) {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(*byte),
        }
    }
    out
}

/// The byte that the two digits after a `%` stand for.
pub(super) fn unescape(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(hex(*high)? * 16 + hex(*low)?)
}

/// The path of a target in absolute form, or of one without the slash that it should begin with.
fn root(target: &[u8]) -> Option<Vec<u8>> {
    if target.is_empty() || target == b"*" || matches!(target.first(), Some(b'/' | b'\\')) {
        return None;
    }
    let colon = target.iter().position(|byte| *byte == b':');
    let rest = colon.and_then(|colon| target.get(colon + 1..)).and_then(|rest| rest.strip_prefix(b"//"));
    match rest {
        Some(rest) => Some(after_authority(rest)),
        None => Some([b"/", target].concat()),
    }
}

fn after_authority(rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|byte| *byte == b'/');
    end.and_then(|end| rest.get(end..)).unwrap_or(b"/").to_vec()
}

/// A name without the dots and blanks at its end; dot segments are no names.
fn cut_tail(segment: &[u8]) -> &[u8] {
    let mut name = segment;
    loop {
        name = match name {
            [rest @ .., b'.'] | [rest @ .., b'%', b'2', b'0'] => rest,
            [] => return segment,
            _ => return name,
        };
    }
}

/// Works on what is between the slashes. A path that does not start with one has no segments.
fn on_segments<'p>(
    path: &'p [u8],
    work: impl FnOnce(Vec<&'p [u8]>) -> Option<Vec<&'p [u8]>>,
) -> Option<Vec<u8>> {
    let segments = path.strip_prefix(b"/")?.split(|byte| *byte == b'/').collect();
    let mut out = Vec::with_capacity(path.len());
    for segment in work(segments)? {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Some(out)
}

/// Without the empty segments, but with the final slash.
fn merge(mut segments: Vec<&[u8]>) -> Vec<&[u8]> {
    let ends_in_slash = segments.last().is_some_and(|segment| segment.is_empty());
    segments.retain(|segment| !segment.is_empty());
    if ends_in_slash {
        segments.push(b"");
    }
    segments
}

/// A path that ends in a dot segment keeps its final slash.
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
