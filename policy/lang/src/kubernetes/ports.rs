//! Ports as Kubernetes writes them: numbers, ranges, names.

use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::node::Type;

/// The longest name of a port, as RFC 6335 has it.
const MAX_NAME: usize = 15;

/// Reads one port of a `NetworkPolicy`.
pub(super) fn port(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PortSpec> {
    let mut object = at.object(reader)?;
    let protocol = protocol(&mut object, reader);
    let (port, end) = (object.take("port", reader), object.take("endPort", reader));
    object.finish(&["protocol", "port", "endPort"], &[], reader);
    let protocol = ProtocolMatch::Only(protocol?);
    let Some(port) = port else {
        if let Some(end) = end {
            reader.error(&end, Code::Conflict, "`endPort` needs `port`", "add the first port of the range");
            return None;
        }
        return Some(PortSpec::Numbers(PortRange::whole(protocol)));
    };
    if port.kind() == Some(Type::String) {
        let name = port_name(&port, reader)?.to_owned();
        if let Some(end) = end {
            let message = format!("`endPort` needs a number to start from: {name:?} is a name");
            reader.error(&end, Code::Conflict, message, "write both ends as numbers, or remove `endPort`");
            return None;
        }
        return Some(PortSpec::Named { protocol, name });
    }
    let first = number(&port, 1, reader)?;
    let last = match &end {
        Some(at) => number(at, first, reader)?,
        None => first,
    };
    Some(PortSpec::Numbers(PortRange { protocol, first, last }))
}

/// The `protocol` of a port, which is TCP where it is left out.
pub(crate) fn protocol(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<Protocol> {
    let Some(at) = object.take("protocol", reader) else {
        return (!object.has("protocol")).then_some(Protocol::Tcp);
    };
    let text = at.string(reader)?;
    let protocol = Protocol::parse(text).filter(|protocol| protocol.has_ports());
    if protocol.is_none() {
        let message = format!("there is no protocol {text:?}");
        reader.error(&at, Code::InvalidValue, message, "expected TCP, UDP or SCTP");
    }
    protocol
}

/// A port's number, not below `least`.
pub(crate) fn number(at: &At<'_>, least: u16, reader: &mut Reader<'_>) -> Option<u16> {
    let Some(Type::Integer(number)) = at.kind() else {
        let message = format!("expected a number, found {}", at.node.found());
        reader.error(at, Code::WrongType, message, "write the port's number");
        return None;
    };
    let port = u16::try_from(number).ok().filter(|port| *port >= least);
    if port.is_none() {
        let help = format!("expected a number from {least} to 65535");
        reader.error(at, Code::InvalidValue, format!("{number} is not a port here"), help);
    }
    port
}

/// A port's name: RFC 6335's service name, which a number is not.
pub(crate) fn port_name<'n>(at: &At<'n>, reader: &mut Reader<'_>) -> Option<&'n str> {
    let name = at.string(reader)?;
    let valid = name.len() <= MAX_NAME
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !(name.starts_with('-') || name.ends_with('-') || name.contains("--"));
    if valid {
        return Some(name);
    }
    let help = match name.parse::<u16>() {
        Ok(number) => format!("a number stands without quotes: {number}"),
        Err(_) => {
            format!("expected at most {MAX_NAME} lower-case letters, digits and `-`, one letter at least")
        }
    };
    reader.error(at, Code::InvalidValue, format!("{name:?} is not the name of a port"), help);
    None
}
