//! One port of a `toPorts` entry.

use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use super::l7::L7;
use super::{Context, Dialect};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::node::Type;

/// The longest name of a port (RFC 6335 §5.1).
const LONGEST_NAME: usize = 15;

/// What stands in `port`.
enum Given {
    Number(u16),
    Name(String),
}

/// Reads one port. What is looked at on it has its own conditions.
pub(super) fn port(at: &At<'_>, l7: &L7, context: &Context<'_>, reader: &mut Reader<'_>) -> Option<PortSpec> {
    let mut object = at.object(reader)?;
    let protocol_given = object.has("protocol");
    let protocol = protocol(&mut object, reader);
    let portless = matches!(protocol, Some(ProtocolMatch::Only(only)) if !only.has_ports());
    let port_at = match portless {
        true => object.take("port", reader),
        false => object.require("port", reader),
    };
    let end_at = object.take("endPort", reader);
    object.finish(&["port", "endPort", "protocol"], &[], reader);

    if portless {
        let protocol = protocol?;
        return without_port(protocol, port_at.as_ref(), end_at.as_ref(), at, l7, reader);
    }
    let port_at = port_at?;
    let given = given(&port_at, reader)?;
    let last = match (&end_at, &given) {
        (Some(end), Given::Number(first)) => Some(end_port(end, *first, reader)?),
        (Some(end), Given::Name(name)) => {
            let message = format!("a range cannot start at the name {name:?}");
            reader.error(end, Code::Conflict, message, "write `port` as a number, or remove `endPort`");
            return None;
        }
        (None, _) => None,
    };
    let mut protocol = protocol?;
    if let L7::Http(_) = l7 {
        if !protocol_given && context.dialect == Dialect::Legacy {
            protocol = ProtocolMatch::Only(Protocol::Tcp);
        }
        check_http(&given, protocol, at, &port_at, reader)?;
    }
    if let L7::Dns = l7 {
        check_dns(&given, end_at.as_ref(), &port_at, reader)?;
    }
    Some(match given {
        Given::Name(name) => PortSpec::Named { protocol, name },
        Given::Number(0) => PortSpec::Numbers(PortRange::whole(protocol)),
        Given::Number(first) => PortSpec::Numbers(PortRange { protocol, first, last: last.unwrap_or(first) }),
    })
}

fn check_http(
    given: &Given,
    protocol: ProtocolMatch,
    at: &At<'_>,
    port_at: &At<'_>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if let Given::Number(0) = given {
        let message = "HTTP rules need a port: 0 means every port";
        reader.error(port_at, Code::Conflict, message, "name the port that speaks HTTP");
        return None;
    }
    if protocol != ProtocolMatch::Only(Protocol::Tcp) {
        let message = "HTTP rules need protocol TCP; left out, it means any protocol";
        reader.error(at, Code::Conflict, message, "write `protocol: TCP`");
        return None;
    }
    Some(())
}

fn check_dns(
    given: &Given,
    end_at: Option<&At<'_>>,
    port_at: &At<'_>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if let Given::Number(0) = given {
        let message = "DNS rules need a port: 0 means every port";
        reader.error(port_at, Code::Conflict, message, "name the port that speaks DNS, usually \"53\"");
        return None;
    }
    if let Some(at) = end_at {
        let message = "DNS rules take no range of ports";
        reader.error(at, Code::Conflict, message, "remove `endPort`, and list each port");
        return None;
    }
    Some(())
}

/// A protocol without ports is meant as a whole.
fn without_port(
    protocol: ProtocolMatch,
    port_at: Option<&At<'_>>,
    end_at: Option<&At<'_>>,
    at: &At<'_>,
    l7: &L7,
    reader: &mut Reader<'_>,
) -> Option<PortSpec> {
    let port = match port_at {
        Some(at) => Some((at, at.string(reader)?)),
        None => None,
    };
    let wrong = port.filter(|(_, text)| !matches!(*text, "" | "0")).map(|(at, _)| at).or(end_at);
    if let Some(at) = wrong {
        let message = "the protocol has no ports";
        reader.error(at, Code::Conflict, message, "remove the field, or write `port: \"0\"`");
        return None;
    }
    if !matches!(l7, L7::Nothing) {
        let message = "the protocol has no ports, so there is nothing for rules to look at";
        reader.error(at, Code::Conflict, message, "move it to a toPorts entry without rules");
        return None;
    }
    Some(PortSpec::Numbers(PortRange::whole(protocol)))
}

fn protocol(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<ProtocolMatch> {
    let has = object.has("protocol");
    let Some(at) = object.take("protocol", reader) else {
        return (!has).then_some(ProtocolMatch::Any);
    };
    let text = at.string(reader)?;
    if text == "ANY" {
        return Some(ProtocolMatch::Any);
    }
    if let Some(protocol) = Protocol::parse(text) {
        return Some(ProtocolMatch::Only(protocol));
    }
    let help = match text.to_ascii_uppercase().starts_with("ICMP") {
        true => "ICMP has types, not ports: write `icmps` in place of `toPorts`".to_owned(),
        false => {
            let every = Protocol::EVERY.into_iter().map(Protocol::as_str);
            let names: Vec<&str> = every.filter(|name| Protocol::parse(name).is_some()).collect();
            format!("expected one of {}, ANY, in upper case", names.join(", "))
        }
    };
    reader.error(&at, Code::InvalidValue, format!("there is no protocol {text:?}"), help);
    None
}

fn given(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Given> {
    let text = at.string(reader)?;
    // `+80` and `0080` parse as numbers, but no policy means that.
    if let Some(port) = text.parse::<u16>().ok().filter(|port| port.to_string() == text) {
        return Some(Given::Number(port));
    }
    if is_name(text) {
        return Some(Given::Name(text.to_ascii_lowercase()));
    }
    let shown: String = text.chars().take(40).collect();
    let message = format!("{shown:?} is not a port");
    let help = "expected a number from 1 to 65535 in quotes, \"0\" for every port, or the name of a \
                container's port: at most 15 letters, digits and single `-`, with a letter among them";
    reader.error(at, Code::InvalidValue, message, help);
    None
}

/// RFC 6335 §5.1: a service name.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && text.chars().any(|c| c.is_ascii_alphabetic())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn end_port(at: &At<'_>, first: u16, reader: &mut Reader<'_>) -> Option<u16> {
    if first == 0 {
        let message = "port 0 means every port: a range cannot start there";
        reader.error(at, Code::Conflict, message, "remove `endPort`, or start the range at 1");
        return None;
    }
    let Some(Type::Integer(number)) = at.kind() else {
        let message = format!("expected a number, found {}", at.node.found());
        reader.error(at, Code::WrongType, message, "write the last port of the range, without quotes");
        return None;
    };
    match u16::try_from(number) {
        Ok(last) if last >= first => Some(last),
        // Upstream takes such a range for its first port alone; here nothing is guessed.
        _ => {
            let message = format!("endPort {number} is not a port from {first} on");
            reader.error(at, Code::InvalidValue, message, "expected the last port of the range, up to 65535");
            None
        }
    }
}
