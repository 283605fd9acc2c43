//! `listener`: a proxy of the user's own.

use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::metadata::dns_name;
use crate::node::Type;

/// Checks `listener`.
pub(super) fn listener(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut object = at.object(reader)?;
    let config = object.require("envoyConfig", reader);
    if let Some(at) = object.require("name", reader)
        && at.string(reader) == Some("")
    {
        reader.error(
            &at,
            Code::InvalidValue,
            "the listener has no name",
            "write the name it has in its resource",
        );
    }
    if let Some(at) = object.take("priority", reader)
        && !matches!(at.kind(), Some(Type::Integer(1..=100)))
    {
        let message = format!("expected a priority, found {}", at.node.found());
        reader.error(&at, Code::InvalidValue, message, "write a number from 1 to 100; lower wins");
    }
    object.finish(&["envoyConfig", "name", "priority"], &[], reader);
    let mut config = config?.object(reader)?;
    if let Some(at) = config.require("name", reader) {
        dns_name(&at, reader);
    }
    if let Some(at) = config.take("kind", reader)
        && let Some(kind) = at.string(reader)
        && !["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"].contains(&kind)
    {
        let message = format!("there is no listener of kind {kind:?}");
        let help = "expected CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig";
        reader.error(&at, Code::InvalidValue, message, help);
    }
    config.finish(&["kind", "name"], &[], reader);
    Some(())
}
