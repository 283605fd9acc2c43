//! Readings: what a path may mean to the servers behind a proxy.
//!
//! Servers disagree about dot segments, `//`, encoded characters, backslashes, `;` parameters and `#`, and about
//! the order in which they deal with them. So every way of taking one such step after another is followed, and a
//! request is let through only if every reading is: a path that two servers could read in two ways is never allowed
//! by accident.

mod plain;
mod profile;
mod spec;
mod step;

use std::borrow::Cow;

pub use profile::Profile;
pub use spec::{PROFILE_ANNOTATION, ProfileError, parse_profiles};

/// The most readings that are followed. Paths that people write have one, two or three.
pub const MAX_READINGS: usize = 32;
/// The longest path that may have several readings, in bytes; a plain one may be longer.
pub const MAX_AMBIGUOUS: usize = 2048;

/// Why a path has no set of readings that could be gone through. It is never let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A byte that ends a text for some servers and not for others.
    #[error("it has an encoded zero byte")]
    Zero,
    /// Two-byte encodings of one-byte characters (`%c0%ae`), which only broken decoders undo.
    #[error("it has an overlong encoding (%c0 or %c1)")]
    Overlong,
    /// `%u002e`, which only one family of servers undoes.
    #[error("it has a %u encoding")]
    Utf16,
    /// A blank or control character that is not encoded: some parsers drop it, others end there.
    #[error("it has a blank or control character that is not encoded")]
    Blank,
    /// `..%20`: some servers cut blanks off the end of a name.
    #[error("it has a dot segment with a blank or control character behind it")]
    BlankDots,
    /// There are more than [`MAX_READINGS`].
    #[error("it has more than {MAX_READINGS} readings")]
    TooMany,
    /// It has several readings and more than [`MAX_AMBIGUOUS`] bytes.
    #[error("it has several readings and more than {MAX_AMBIGUOUS} bytes")]
    TooLong,
}

/// Whether a target has no reading but itself. This is one pass over the path, and nothing is allocated.
pub(crate) fn is_plain(target: &[u8], profile: Profile) -> bool {
    profile == Profile::Raw || plain::is_plain(target)
}

/// Whether a target is in absolute form, `scheme://host/path`, which a profile follows. Proxies make a path of it before
/// anybody is asked.
pub(crate) fn names_a_host(target: &[u8], profile: Profile) -> bool {
    let (path, _) = split_query(target);
    let is_absolute = !path.starts_with(b"/") && path.windows(3).any(|part| part == b"://");
    profile != Profile::Raw && is_absolute
}

/// Every reading of a request target that a profile follows, the target as it was sent first, no reading twice.
///
/// The query is kept as it is. The usual path has one reading.
///
/// # Errors
/// If the readings cannot be gone through; never with [`Profile::Raw`].
pub fn readings(target: &[u8], profile: Profile) -> Result<Vec<Cow<'_, [u8]>>, Unreadable> {
    let mut readings: Vec<Cow<'_, [u8]>> = vec![Cow::Borrowed(target)];
    if is_plain(target, profile) {
        return Ok(readings);
    }
    let (path, query) = split_query(target);
    if path.len() > MAX_AMBIGUOUS {
        return Err(Unreadable::TooLong);
    }
    // Breadth first: what one step makes of a path is taken further by every other.
    let mut paths: Vec<Cow<'_, [u8]>> = vec![Cow::Borrowed(path)];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        step::check(&path, profile)?;
        for step in profile.steps() {
            let Some(made) = step.apply(&path) else { continue };
            if paths.iter().any(|known| **known == *made) {
                continue;
            }
            if paths.len() >= MAX_READINGS {
                return Err(Unreadable::TooMany);
            }
            readings.push(Cow::Owned([&made, query].concat()));
            paths.push(Cow::Owned(made));
        }
    }
    Ok(readings)
}

fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    target.split_at_checked(end).unwrap_or((target, b""))
}

#[cfg(test)]
mod tests;
