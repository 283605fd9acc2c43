//! TLS: contexts and server names.

use super::fqdn;
use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::metadata::dns_name;

/// Checks `terminatingTLS` or `originatingTLS`.
pub(super) fn context(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut object = at.object(reader)?;
    if let Some(at) = object.require("secret", reader) {
        secret(&at, reader);
    }
    for field in ["trustedCA", "certificate", "privateKey"] {
        if let Some(at) = object.take(field, reader) {
            at.string(reader);
        }
    }
    object.finish(&["secret", "trustedCA", "certificate", "privateKey"], &[], reader);
    Some(())
}

/// Checks a reference to a secret.
pub(super) fn secret(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut object = at.object(reader)?;
    if let Some(at) = object.require("name", reader) {
        dns_name(&at, reader);
    }
    if let Some(at) = object.take("namespace", reader) {
        dns_name(&at, reader);
    }
    object.finish(&["namespace", "name"], &[], reader);
    Some(())
}

/// Checks `serverNames`.
pub(super) fn server_names(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let names = at.list(reader)?;
    if names.is_empty() {
        let message = "`serverNames` has no name: it would match nothing, or everything";
        reader.error(at, Code::InvalidValue, message, "add a name, or remove the field");
    }
    for at in names {
        fqdn::check(&at, "*", "letters, digits, `-`, `_`, `.` and `*`", reader);
    }
    Some(())
}
