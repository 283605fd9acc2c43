//! `toPorts`: ports and what is looked at on them.

use std::sync::Arc;

use postern_policy_core::http::HttpRule;
use postern_policy_core::policy::{Effect, PortRule, RuleId};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use super::{Context, Dialect, http};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

const UNSUPPORTED: [&str; 4] = ["terminatingTLS", "originatingTLS", "serverNames", "listener"];
const RULES_UNSUPPORTED: [&str; 4] = ["dns", "kafka", "l7proto", "l7"];
/// Protocols of the real schema that carry no ports, or that the data planes do not know yet.
const PROTOCOLS_UNSUPPORTED: [&str; 7] = ["VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"];
/// The most ports one entry may list, as upstream's own limit.
const MAX_PORTS: usize = 40;

/// Reads `toPorts`.
pub(super) fn port_rules(
    at: &At<'_>,
    effect: Effect,
    item: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<PortRule>> {
    let mut rules = Vec::new();
    for (index, at) in at.list(reader)?.iter().enumerate() {
        let id = item.child("toPorts").child(index);
        rules.push(port_rule(at, effect, id, context, reader));
    }
    rules.into_iter().collect()
}

fn port_rule(
    at: &At<'_>,
    effect: Effect,
    id: RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<PortRule> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let ports_at = object.take("ports", reader);
    let rules_at = match effect {
        Effect::Allow => object.take("rules", reader),
        // Unknown there, and reported as such.
        Effect::Deny | Effect::Pass => None,
    };
    let known: &[&str] = match effect {
        Effect::Allow => &["ports", "rules"],
        Effect::Deny | Effect::Pass => &["ports"],
    };
    object.finish(known, if effect == Effect::Allow { &UNSUPPORTED } else { &[] }, reader);

    // Ports are read even where the rules are wrong: every error is reported at once.
    let http = match &rules_at {
        Some(at) => http_rules(at, &id, context, reader),
        None => Some(None),
    };
    let has_http = matches!(http, Some(Some(_)));
    let given = match &ports_at {
        Some(at) => at.list(reader)?,
        None => Vec::new(),
    };
    if given.len() > MAX_PORTS {
        let message = format!("{} ports in one entry, more than the {MAX_PORTS} allowed", given.len());
        let help = "use endPort for a range, or a second toPorts entry";
        reader.error(ports_at.as_ref().unwrap_or(at), Code::InvalidValue, message, help);
    }
    let ports: Vec<_> = given.iter().map(|at| port(at, has_http, context, reader)).collect();
    let ports = ports.into_iter().map(|port| port.map(PortSpec::Numbers)).collect::<Option<_>>()?;
    Some(PortRule { id, ports, http: http?, unenforced: None })
}

/// Reads `rules`. An empty HTTP list looks at no HTTP: it is the same as none.
#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
fn http_rules(
    at: &At<'_>,
    id: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Option<Arc<[HttpRule]>>> {
    let mut object = at.object(reader)?;
    let mut given: Vec<At<'_>> = Vec::new();
    given.extend(object.take("http", reader));
    if context.dialect == Dialect::Legacy {
        given.extend(object.take("HTTP", reader));
    }
    let others = RULES_UNSUPPORTED.iter().any(|name| object.has(name));
    let misspelt = object.has("HTTP");
    object.finish(&["http"], &RULES_UNSUPPORTED, reader);
    match given.as_slice() {
        [at] => {
            let rules = http::rules(at, id, reader)?;
            Some((!rules.is_empty()).then_some(rules))
        }
        [] if others || misspelt => None,
        [] => {
            let message = "`rules` says nothing";
            reader.error(at, Code::MissingField, message, "add `http`, or remove `rules`");
            None
        }
        _ => {
            reader.error(at, Code::Conflict, "both `http` and `HTTP` are given", "keep one of the two");
            None
        }
    }
}

fn port(at: &At<'_>, has_http: bool, context: &Context<'_>, reader: &mut Reader<'_>) -> Option<PortRange> {
    let mut object = at.object(reader)?;
    let port_at = object.require("port", reader);
    let end_at = object.take("endPort", reader);
    let protocol_given = object.has("protocol");
    let protocol = protocol(&mut object, reader);
    object.finish(&["port", "endPort", "protocol"], &[], reader);

    let port_at = port_at?;
    let first = number(&port_at, reader)?;
    let last = match &end_at {
        Some(at) => end_port(at, first, reader)?,
        None => first,
    };
    let mut protocol = protocol?;
    if has_http {
        if first == 0 {
            let message = "HTTP rules need a port: 0 means every port";
            reader.error(&port_at, Code::Conflict, message, "name the port that speaks HTTP");
            return None;
        }
        if !protocol_given && context.dialect == Dialect::Legacy {
            protocol = ProtocolMatch::Only(Protocol::Tcp);
        }
        if protocol != ProtocolMatch::Only(Protocol::Tcp) {
            let message = "HTTP rules need protocol TCP; left out, it means any protocol";
            reader.error(at, Code::Conflict, message, "write `protocol: TCP`");
            return None;
        }
    }
    if first == 0 && end_at.is_none() {
        return Some(PortRange::whole(protocol));
    }
    Some(PortRange { protocol, first, last })
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
    let help = "expected TCP, UDP, SCTP or ANY, in upper case";
    if PROTOCOLS_UNSUPPORTED.contains(&text) {
        reader.error(&at, Code::UnsupportedField, format!("protocol {text} is not supported yet"), help);
    } else {
        reader.error(&at, Code::InvalidValue, format!("there is no protocol {text:?}"), help);
    }
    None
}

fn number(at: &At<'_>, reader: &mut Reader<'_>) -> Option<u16> {
    let text = at.string(reader)?;
    if let Ok(port) = text.parse::<u16>().map_err(drop).and_then(|port| plain_digits(text, port)) {
        return Some(port);
    }
    let is_name = text.chars().any(|c| c.is_ascii_alphabetic());
    if is_name && text.len() <= 15 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        let message = format!("the named port {text:?} is not supported yet");
        reader.error(at, Code::UnsupportedField, message, "write the number");
    } else {
        let message = format!("{text:?} is not a port");
        reader.error(at, Code::InvalidValue, message, "expected a number from 0 to 65535, in quotes");
    }
    None
}

/// `+80` and `0080` parse as numbers, but no policy means that.
fn plain_digits(text: &str, port: u16) -> Result<u16, ()> {
    if port.to_string() == text { Ok(port) } else { Err(()) }
}

fn end_port(at: &At<'_>, first: u16, reader: &mut Reader<'_>) -> Option<u16> {
    let Some(crate::node::Type::Integer(number)) = at.kind() else {
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
