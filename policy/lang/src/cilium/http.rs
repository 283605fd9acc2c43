//! `rules.http`.

use std::sync::Arc;

use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::RuleId;

use super::headers::{self, HeaderMatches};
use super::{Context, Dialect};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// Reads a list of HTTP rules.
pub(super) fn rules(
    at: &At<'_>,
    id: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Arc<[HttpRule]>> {
    let id = id.child("http");
    let given = at.list(reader)?;
    let read = |(index, at): (usize, &At<'_>)| rule(at, id.child(index), context.dialect, reader);
    let rules: Vec<_> = given.iter().enumerate().map(read).collect();
    rules.into_iter().collect()
}

fn rule(at: &At<'_>, id: RuleId, dialect: Dialect, reader: &mut Reader<'_>) -> Option<HttpRule> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let method = pattern(&mut object, "method", reader);
    let path = pattern(&mut object, "path", reader);
    let host = pattern(&mut object, "host", reader);
    let headers = headers::headers(&mut object, reader);
    let mut known = vec!["method", "path", "host", "headers"];
    let matches = match dialect {
        Dialect::Modern => {
            known.push("headerMatches");
            headers::matches(&mut object, reader)
        }
        Dialect::Legacy => Some(HeaderMatches::default()),
    };
    object.finish(&known, &[], reader);
    let (mut headers, matches) = (headers?, matches?);
    headers.extend(matches.required);
    let matched = HttpMatch { method: method?, path: path?, host: host?, headers };
    let matcher = match matches.unenforced {
        Some(why) => HttpMatcher::Quarantined(why),
        None => HttpMatcher::Active(matched),
    };
    Some(HttpRule { id, matcher })
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
