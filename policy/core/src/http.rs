//! HTTP rules and the requests they are held against.

use std::fmt;
use std::sync::Arc;

use crate::pattern::Pattern;
use crate::policy::RuleId;

/// What policy sees of a request. Values are bytes: a header need not be text.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// `:method`.
    pub method: Option<&'a [u8]>,
    /// `:path`, query included. A CONNECT has none.
    pub path: Option<&'a [u8]>,
    /// `:authority`, or the `Host` header of HTTP/1.1; the port stays where the client sent one.
    pub authority: Option<&'a [u8]>,
    /// The other headers, in order, repeated ones as often as they came.
    pub headers: Vec<(&'a [u8], &'a [u8])>,
}

/// One HTTP rule: every field that is given must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// The name that decisions, logs and metrics use.
    pub id: RuleId,
    /// What it matches.
    pub matcher: HttpMatcher,
}

/// What an HTTP rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpMatcher {
    /// It matches requests.
    Active(HttpMatch),
    /// It could not be compiled, for this reason: it matches nothing, and every other rule works.
    Quarantined(Arc<str>),
}

impl HttpRule {
    /// Its name and why it is quarantined, if it is.
    pub fn quarantined(&self) -> Option<(RuleId, Arc<str>)> {
        match &self.matcher {
            HttpMatcher::Active(_) => None,
            HttpMatcher::Quarantined(why) => Some((self.id.clone(), why.clone())),
        }
    }
}

/// The fields of an HTTP rule. Absent ones match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpMatch {
    /// Against `:method`.
    pub method: Option<Pattern>,
    /// Against `:path`, query included.
    pub path: Option<Pattern>,
    /// Against `:authority`.
    pub host: Option<Pattern>,
    /// Each must match.
    pub headers: Vec<HeaderMatch>,
}

/// A header that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Compared without regard to ASCII case.
    pub name: String,
    /// The exact value, or `None` where presence is enough.
    pub value: Option<Vec<u8>>,
}

/// The first field of a rule that did not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `:method`.
    Method,
    /// `:path`.
    Path,
    /// `:authority`.
    Host,
    /// The header at this place of the rule's list.
    Header(usize),
}

impl HttpMatch {
    /// Compares field by field; the error is the first field that did not match.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Field> {
        let field = |pattern: &Option<Pattern>, value: Option<&[u8]>, field: Field| match pattern {
            // An absent value is not an empty one: a rule on a path never matches a request without.
            Some(pattern) if !value.is_some_and(|value| pattern.matches(value)) => Err(field),
            _ => Ok(()),
        };
        field(&self.method, request.method, Field::Method)?;
        field(&self.path, request.path, Field::Path)?;
        field(&self.host, request.authority, Field::Host)?;
        match self.headers.iter().position(|header| !header.matches(request)) {
            Some(index) => Err(Field::Header(index)),
            None => Ok(()),
        }
    }
}

impl HeaderMatch {
    /// A repeated header matches only if each of its values does: servers differ in which one they read.
    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        let mut values = request
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(self.name.as_bytes()))
            .map(|(_, value)| *value)
            .peekable();
        values.peek().is_some()
            && values.all(|value| self.value.as_ref().is_none_or(|wanted| wanted.as_slice() == value))
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: {}", self.name, Text(value)),
            None => f.write_str(&self.name),
        }
    }
}

/// Bytes from a request, printed so that they can neither end a line nor colour a terminal.
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 200;
        let shown = self.0.get(..LONGEST).unwrap_or(self.0);
        write!(f, "{}", shown.escape_ascii())?;
        match self.0.len() > LONGEST {
            true => write!(f, "… ({} bytes)", self.0.len()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, value: Option<&str>) -> HttpMatch {
        let value = value.map(|value| value.as_bytes().to_vec());
        HttpMatch { headers: vec![HeaderMatch { name: name.to_owned(), value }], ..HttpMatch::default() }
    }

    fn check(rule: &HttpMatch, headers: &[(&str, &[u8])], expected: bool) {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        let request = Request { headers, ..Request::default() };
        assert_eq!(rule.check(&request).is_ok(), expected, "{rule:?} {request:?}");
    }

    #[test]
    fn headers_match_by_presence_or_exact_value() {
        check(&rule("X-Role", None), &[("x-role", b"")], true);
        check(&rule("X-Role", None), &[], false);
        check(&rule("X-Role", Some("admin")), &[("x-role", b"admin")], true);
        check(&rule("X-Role", Some("admin")), &[("x-role", b"Admin")], false);
        check(&rule("X-Role", Some("admin")), &[("x-role", b"admin\xff")], false);
    }

    #[test]
    fn every_value_of_a_repeated_header_must_match() {
        let rule = rule("X-Role", Some("admin"));
        check(&rule, &[("x-role", b"admin"), ("X-ROLE", b"admin")], true);
        check(&rule, &[("x-role", b"admin"), ("x-role", b"user")], false);
        check(&rule, &[("x-role", b"user"), ("x-role", b"admin")], false);
        check(&rule, &[("x-role", b"user,admin")], false);
    }

    #[test]
    fn an_absent_path_matches_no_path_rule() {
        let rule = HttpMatch { path: Some(Pattern::parse(".*").unwrap()), ..HttpMatch::default() };
        assert_eq!(rule.check(&Request::default()), Err(Field::Path));
    }

    #[test]
    fn text_from_requests_is_harmless_and_short() {
        assert_eq!(Text(b"/a\x1b[31m\r\n").to_string(), r"/a\x1b[31m\r\n");
        assert!(Text(&[b'a'; 10_000]).to_string().len() < 300);
    }
}
