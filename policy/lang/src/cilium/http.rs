//! `rules.http`.

use std::sync::Arc;

use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::RuleId;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// Reads a list of HTTP rules.
pub(super) fn rules(at: &At<'_>, id: &RuleId, reader: &mut Reader<'_>) -> Option<Arc<[HttpRule]>> {
    let id = id.child("http");
    let given = at.list(reader)?;
    let rules: Vec<_> =
        given.iter().enumerate().map(|(index, at)| rule(at, id.child(index), reader)).collect();
    rules.into_iter().collect()
}

fn rule(at: &At<'_>, id: RuleId, reader: &mut Reader<'_>) -> Option<HttpRule> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let method = pattern(&mut object, "method", reader);
    let path = pattern(&mut object, "path", reader);
    let host = pattern(&mut object, "host", reader);
    let headers = headers(&mut object, reader);
    object.finish(&["method", "path", "host", "headers"], &["headerMatches"], reader);
    let matched = HttpMatch { method: method?, path: path?, host: host?, headers: headers? };
    Some(HttpRule { id, matcher: HttpMatcher::Active(matched) })
}

/// An empty expression is the same as none: it matches everything.
#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
fn pattern(object: &mut Object<'_>, field: &str, reader: &mut Reader<'_>) -> Option<Option<Pattern>> {
    if !object.has(field) {
        return Some(None);
    }
    let at = object.take(field, reader)?;
    let text = at.string(reader)?;
    if text.is_empty() {
        return Some(None);
    }
    match reader.pattern(text) {
        Ok(pattern) => Some(Some(pattern)),
        Err(error) => {
            let help = format!("the whole {field} is matched, as a regular expression in RE2's dialect");
            reader.error(&at, Code::InvalidPattern, error.to_string(), help);
            None
        }
    }
}

/// Each entry is `Name value`, split at the first space, or a name alone.
fn headers(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<HeaderMatch>> {
    if !object.has("headers") {
        return Some(Vec::new());
    }
    let at = object.take("headers", reader)?;
    let mut headers = Vec::new();
    for at in at.list(reader)? {
        let text = at.string(reader)?;
        let (name, value) = match text.split_once(' ') {
            Some((_, value)) if value.trim() != value || value.is_empty() => {
                let message =
                    format!("the value in {text:?} starts or ends with a blank: it could never match");
                reader.error(&at, Code::InvalidValue, message, "write one space between name and value");
                return None;
            }
            Some((name, value)) => (name, Some(value.as_bytes().to_vec())),
            None => (text, None),
        };
        let name = name.strip_suffix(':').unwrap_or(name);
        if !is_header_name(name) {
            let message = format!("{name:?} is not a header name");
            let help = "write `Name value` for an exact value, or `Name` where presence is enough";
            reader.error(&at, Code::InvalidValue, message, help);
            return None;
        }
        headers.push(HeaderMatch { name: name.to_owned(), value });
    }
    Some(headers)
}

/// RFC 9110 §5.6.2: a token.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
