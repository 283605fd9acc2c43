//! HTTP rules and requests.

use crate::pattern::Pattern;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query; none for CONNECT.
    pub path: Option<String>,
    /// The authority.
    pub host: String,
    /// The headers, repeated ones as often as they came.
    pub headers: Vec<(String, String)>,
}

/// One entry of `rules.http`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRule {
    /// `method`.
    pub method: Option<Pattern>,
    /// `path`.
    pub path: Option<Pattern>,
    /// `host`.
    pub host: Option<Pattern>,
    /// `headers`.
    pub headers: Vec<HeaderLine>,
    /// `headerMatches`.
    pub header_matches: Vec<HeaderMatch>,
}

/// `Name value`, `Name: value`, or `Name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// The name.
    pub name: String,
    /// The exact value; none where presence is enough.
    pub value: Option<String>,
    /// Whether a colon follows the name.
    pub colon: bool,
}

/// One entry of `headerMatches`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The name.
    pub name: String,
    /// The exact value; none where presence is enough.
    pub value: Option<String>,
    /// What happens where it is another.
    pub mismatch: Option<Mismatch>,
    /// Whether the value is in a secret.
    pub secret: bool,
}

/// What happens to a header that is another than wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// It is noted.
    Log,
    /// The value is added.
    Add,
    /// The header is removed.
    Delete,
    /// The value takes its place.
    Replace,
}

impl HttpRule {
    /// Whether a request matches. A rule that wants the request changed, or compared with a secret, cannot be
    /// followed: it matches nothing.
    pub fn matches(&self, request: &Request) -> bool {
        let changes =
            |header: &HeaderMatch| header.secret || !matches!(header.mismatch, None | Some(Mismatch::Log));
        if self.header_matches.iter().any(changes) {
            return false;
        }
        let field = |pattern: &Option<Pattern>, value: Option<&String>| match (pattern, value) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(value)) => pattern.matches(value),
        };
        field(&self.method, Some(&request.method))
            && field(&self.path, request.path.as_ref())
            && field(&self.host, Some(&request.host))
            && self.headers.iter().all(|header| request.has(&header.name, header.value.as_deref()))
            && self.header_matches.iter().all(|header| {
                header.mismatch == Some(Mismatch::Log) || request.has(&header.name, header.value.as_deref())
            })
    }
}

impl Request {
    /// Whether a header is there and each of its values is the one that is wanted.
    fn has(&self, name: &str, wanted: Option<&str>) -> bool {
        let values: Vec<&String> = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        !values.is_empty() && wanted.is_none_or(|wanted| values.iter().all(|value| *value == wanted))
    }
}
