//! Names in the DNS: `toFQDNs` and `rules.dns`.

use crate::decode::{At, Reader};
use crate::diagnostic::Code;

/// The longest name, as upstream has it.
const LONGEST: usize = 255;

/// Checks a list of names and patterns; how many there are.
pub(super) fn names(at: &At<'_>, reader: &mut Reader<'_>) -> Option<usize> {
    let given = at.list(reader)?;
    for at in &given {
        name(at, reader);
    }
    Some(given.len())
}

fn name(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut object = at.object(reader)?;
    let given = (object.has("matchName"), object.has("matchPattern"));
    let name = object.take("matchName", reader);
    let pattern = object.take("matchPattern", reader);
    object.finish(&["matchName", "matchPattern"], &[], reader);
    match given {
        (true, true) => {
            let message = "both matchName and matchPattern are given";
            reader.error(at, Code::Conflict, message, "keep one, and write another entry for the other");
        }
        (false, false) => {
            let message = "the entry names nothing";
            let help = "add matchName, or matchPattern where `*` stands for a part of a name";
            reader.error(at, Code::MissingField, message, help);
        }
        _ => {}
    }
    if let Some(at) = name {
        check(&at, "", "letters, digits, `-`, `_` and `.`; matchPattern may have `*` too", reader);
    }
    if let Some(at) = pattern {
        check(&at, "*", "letters, digits, `-`, `_`, `.` and `*`", reader);
    }
    Some(())
}

/// Checks one name for its characters and its length.
pub(super) fn check(at: &At<'_>, also: &str, help: &str, reader: &mut Reader<'_>) {
    let Some(text) = at.string(reader) else { return };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || also.contains(c);
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(plain) {
        let shown: String = text.chars().take(80).collect();
        let message = format!("{shown:?} is not a name in the DNS");
        reader.error(at, Code::InvalidValue, message, format!("expected 1 to {LONGEST} characters: {help}"));
    }
}
