//! What a rule says beside what it allows and denies: labels, a text for the log, authentication.

use std::sync::Arc;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// The longest text for the log, in characters.
const LONGEST_LOG: usize = 32;

/// Checks `labels`, which name a rule to tools and have no say in what it means.
pub(super) fn labels(rule: &mut Object<'_>, reader: &mut Reader<'_>) {
    let Some(given) = rule.take("labels", reader).and_then(|at| at.list(reader)) else { return };
    for at in given {
        let Some(mut label) = at.object(reader) else { continue };
        if let Some(key) = label.require("key", reader)
            && key.string(reader) == Some("")
        {
            reader.error(&key, Code::InvalidValue, "the label has no name", "write its key");
        }
        for field in ["value", "source"] {
            if let Some(at) = label.take(field, reader) {
                at.string(reader);
            }
        }
        label.finish(&["key", "value", "source"], &[], reader);
    }
}

/// Checks `log`.
pub(super) fn log(rule: &mut Object<'_>, reader: &mut Reader<'_>) {
    let Some(mut log) = rule.take("log", reader).and_then(|at| at.object(reader)) else { return };
    if let Some(at) = log.take("value", reader)
        && let Some(text) = at.string(reader)
    {
        let length = text.chars().count();
        if length > LONGEST_LOG || text.chars().any(char::is_control) {
            let message = format!("{text:?} cannot be written to the log as it is");
            let help = format!("expected at most {LONGEST_LOG} printable characters; it has {length}");
            reader.error(&at, Code::InvalidValue, message, help);
        }
    }
    log.finish(&["value"], &[], reader);
}

/// Reads `authentication`: why the item is not enforced, if it asks for any.
pub(super) fn authentication(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Arc<str>> {
    let mut object = at.object(reader)?;
    let mode = object.require("mode", reader);
    object.finish(&["mode"], &[], reader);
    let at = mode?;
    match at.string(reader)? {
        "disabled" => None,
        "required" | "test-always-fail" => Some(Arc::from("authentication is not enforced yet")),
        other => {
            let message = format!("there is no authentication mode {other:?}");
            let help = "expected one of disabled, required, test-always-fail";
            reader.error(&at, Code::InvalidValue, message, help);
            None
        }
    }
}
