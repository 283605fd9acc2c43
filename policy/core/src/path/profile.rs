//! Profiles: whose ways of reading a path are followed.

use std::fmt;

use super::step::Step;

/// What is known of the server that reads the paths of a port.
///
/// A profile says something about a server, never about who may reach it: a path passes only if every reading that
/// the profile follows is allowed. The readings of each profile contain those of the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Nothing is known: every step that any server takes is followed, in every order and as often as it can be
    /// taken. What only broken decoders understand is refused.
    #[default]
    Strict,
    /// An Envoy with path normalisation on or off, and behind it a server that reads paths as RFC 3986 says.
    ///
    /// Followed: encoded unreserved characters, `%2F` and `%5C`, backslashes (Envoy's normalisation makes slashes of
    /// them), empty segments, dot segments, fragments, `//host` and `scheme://host`. Not followed: `;` parameters, other encoded
    /// delimiters, what is encoded twice, trailing dots.
    Envoy,
    /// A server that compares the path as it was sent with what it knows, and normalises nothing: only this one
    /// reading is followed.
    Raw,
}

impl Profile {
    /// Every profile, the strictest first.
    pub const EVERY: [Self; 3] = [Self::Strict, Self::Envoy, Self::Raw];

    /// Reads the name that [`as_str`](Self::as_str) gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|profile| profile.as_str() == text)
    }

    /// The name, as bundles and annotations have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Envoy => "envoy",
            Self::Raw => "raw",
        }
    }

    /// The steps that its servers take.
    pub(super) fn steps(self) -> &'static [Step] {
        match self {
            Self::Strict => &Step::STRICT,
            Self::Envoy => &Step::ENVOY,
            Self::Raw => &[],
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
