//! The headers of an HTTP rule: `headers` and `headerMatches`.

use std::sync::Arc;

use postern_policy_core::http::HeaderMatch;

use super::tls::secret;
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// Each entry is `Name value`, split at the first space, or a name alone.
pub(super) fn headers(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<HeaderMatch>> {
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

/// What `headerMatches` asks for.
#[derive(Default)]
pub(super) struct HeaderMatches {
    /// Headers without which the rule does not match.
    pub(super) required: Vec<HeaderMatch>,
    /// Why nothing enforces the rule yet.
    pub(super) unenforced: Option<Arc<str>>,
}

/// Reads `headerMatches`.
pub(super) fn matches(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<HeaderMatches> {
    if !object.has("headerMatches") {
        return Some(HeaderMatches::default());
    }
    let mut matches = HeaderMatches::default();
    for at in object.take("headerMatches", reader)?.list(reader)? {
        match header_match(&at, reader)? {
            Wanted::Required(header) => matches.required.push(header),
            Wanted::Logged => {}
            Wanted::Unenforced(why) => matches.unenforced = Some(why),
        }
    }
    Some(matches)
}

enum Wanted {
    Required(HeaderMatch),
    /// It matches whatever the header is.
    Logged,
    Unenforced(Arc<str>),
}

fn header_match(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Wanted> {
    let mut object = at.object(reader)?;
    let name = object.require("name", reader).and_then(|at| header_name(&at, reader));
    let value_at = object.take("value", reader);
    let secret_at = object.take("secret", reader);
    let mismatch_at = object.take("mismatch", reader);
    object.finish(&["name", "value", "secret", "mismatch"], &[], reader);
    let value = match &value_at {
        Some(at) => Some(at.string(reader)?),
        None => None,
    };
    if let Some(at) = &secret_at {
        secret(at, reader);
    }
    let mismatch = match &mismatch_at {
        Some(at) => at.string(reader)?,
        None => "FAIL",
    };
    let unenforced =
        |what: &str| Wanted::Unenforced(format!("headerMatches with {what} is not enforced yet").into());
    match mismatch {
        "FAIL" | "LOG" if secret_at.is_some() => Some(unenforced("a secret")),
        "FAIL" => {
            let value_at = value_at.as_ref().unwrap_or(at);
            let value = value.map(|value| header_value(value, value_at, reader));
            let value = value.map_or(Some(None), |value| value.map(Some))?;
            Some(Wanted::Required(HeaderMatch { name: name?, value }))
        }
        "LOG" => Some(Wanted::Logged),
        "ADD" | "DELETE" | "REPLACE" => Some(unenforced(&format!("mismatch {mismatch}"))),
        other => {
            let message = format!("there is no mismatch action {other:?}");
            let help = "expected LOG, ADD, DELETE or REPLACE; without it, the rule does not match";
            reader.error(mismatch_at.as_ref().unwrap_or(at), Code::InvalidValue, message, help);
            None
        }
    }
}

fn header_name(at: &At<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let name = at.string(reader)?;
    if is_header_name(name) {
        return Some(name.to_owned());
    }
    let message = format!("{name:?} is not a header name");
    reader.error(at, Code::InvalidValue, message, "write the name alone, such as X-Token");
    None
}

/// A value as it is sent: without blanks around it.
fn header_value(value: &str, at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    if value.trim() == value {
        return Some(value.as_bytes().to_vec());
    }
    let message = format!("the value {value:?} starts or ends with a blank: it could never match");
    reader.error(at, Code::InvalidValue, message, "remove the blanks");
    None
}

/// RFC 9110 §5.6.2: a token.
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
