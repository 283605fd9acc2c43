//! One case of a test.

use postern_policy_core::decide::Verdict;
use postern_policy_core::explain::{CODES, End, PortRef};
use postern_policy_core::port::Protocol;

use super::{Case, CaseRequest, Expectation, ExpectedRule, place};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;
use crate::node::{Type, Value};
use crate::source::SourceFile;

const FIELDS: [&str; 11] =
    ["name", "from", "to", "port", "protocol", "icmp", "http", "expect", "rule", "reason", "audit"];

pub(super) fn read(at: &At<'_>, file: &SourceFile, reader: &mut Reader<'_>) -> Option<Case> {
    let mut object = at.object(reader)?;
    let name = object.require("name", reader).and_then(|at| filled(&at, reader));
    let from = object.require("from", reader).and_then(|at| end(&at, reader));
    let to = object.require("to", reader).and_then(|at| end(&at, reader));
    let traffic = traffic(&mut object, reader);
    let http_at = object.take("http", reader);
    let http = match &http_at {
        Some(at) => request(at, reader).map(Some),
        None => (!object.has("http")).then_some(None),
    };
    let expect = expectation(&mut object, http_at.is_some(), reader);
    object.finish(&FIELDS, &[], reader);

    let (protocol, port) = traffic?;
    if let Some(at) = http_at.filter(|_| protocol != Protocol::Tcp) {
        let message = format!("an HTTP request goes over TCP, not {protocol}");
        reader.error(&at, Code::Conflict, message, "remove `http`, or ask about TCP");
        return None;
    }
    let (name, from, to) = (name?.to_owned(), from?, to?);
    Some(Case { name, place: place(at, file), from, to, protocol, port, http: http?, expect: expect? })
}

/// A text that says something, on one line: it is printed in reports.
fn filled<'n>(at: &At<'n>, reader: &mut Reader<'_>) -> Option<&'n str> {
    let text = at.string(reader)?;
    if text.trim().is_empty() || text.contains(char::is_control) {
        reader.error(at, Code::InvalidValue, format!("{text:?} is no name"), "write a name, on one line");
        return None;
    }
    Some(text)
}

fn end(at: &At<'_>, reader: &mut Reader<'_>) -> Option<End> {
    filled(at, reader).map(End::parse)
}

/// The protocol and the port, or the type for the ICMPs.
fn traffic(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<(Protocol, PortRef)> {
    let case = object.at.clone();
    let protocol_at = object.take("protocol", reader);
    let protocol = match &protocol_at {
        Some(at) => protocol(at, reader),
        None if object.has("protocol") => None,
        None => Some(Protocol::Tcp),
    };
    let port_at = object.take("port", reader);
    let port = match &port_at {
        Some(at) => port(at, reader).map(Some),
        None => (!object.has("port")).then_some(None),
    };
    let icmp_at = object.take("icmp", reader);
    let icmp = match &icmp_at {
        Some(at) => icmp_type(at, reader).map(Some),
        None => (!object.has("icmp")).then_some(None),
    };
    let (protocol, port, icmp) = (protocol?, port?, icmp?);
    let is_icmp = matches!(protocol, Protocol::Icmp | Protocol::IcmpV6);
    if let Some(at) = icmp_at.filter(|_| !is_icmp) {
        let message = format!("`icmp` has no meaning with {protocol}");
        reader.error(&at, Code::Conflict, message, "add `protocol: ICMP` or `protocol: ICMPv6`");
        return None;
    }
    if let Some(at) = port_at.filter(|_| !protocol.has_ports()) {
        let message = format!("{protocol} has no ports");
        reader.error(&at, Code::Conflict, message, "remove `port`");
        return None;
    }
    let port = match (protocol, port, icmp) {
        (_, Some(port), _) => port,
        (_, None, Some(icmp)) => PortRef::Number(icmp),
        (_, None, None) if is_icmp => {
            let help = "add `icmp: {type: 8}` for an echo request (128 for ICMPv6)";
            reader.error(&case, Code::MissingField, "`icmp` is missing", help);
            return None;
        }
        (protocol, None, None) if protocol.has_ports() => {
            let help = "add `port`: a number, or the name that the destination gives it";
            reader.error(&case, Code::MissingField, "`port` is missing", help);
            return None;
        }
        _ => PortRef::Number(0),
    };
    Some((protocol, port))
}

fn protocol(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Protocol> {
    let text = at.string(reader)?;
    let known = Protocol::EVERY.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
    if known.is_none() {
        let known: Vec<&str> = Protocol::EVERY.iter().map(|known| known.as_str()).collect();
        let help = format!("expected one of {}", known.join(", "));
        reader.error(at, Code::InvalidValue, format!("there is no protocol {text:?}"), help);
    }
    known
}

fn port(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PortRef> {
    let number = match at.kind() {
        Some(Type::Integer(number)) => u16::try_from(number).ok(),
        Some(Type::String) => {
            let text = at.string(reader)?;
            if !text.is_empty() && !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return filled(at, reader).map(|name| PortRef::Named(name.to_owned()));
            }
            text.parse().ok()
        }
        _ => None,
    };
    let number = number.filter(|number| *number > 0);
    if number.is_none() {
        let message = format!("{} is no port", at.node.found());
        let help = "expected a number from 1 to 65535, or the name that the destination gives the port";
        reader.error(at, Code::InvalidValue, message, help);
    }
    number.map(PortRef::Number)
}

fn icmp_type(at: &At<'_>, reader: &mut Reader<'_>) -> Option<u16> {
    let mut object = at.object(reader)?;
    let icmp = object.require("type", reader).and_then(|at| {
        let number = match at.kind() {
            Some(Type::Integer(number)) => u8::try_from(number).ok(),
            _ => None,
        };
        if number.is_none() {
            let message = format!("{} is no ICMP type", at.node.found());
            reader.error(&at, Code::InvalidValue, message, "expected a number from 0 to 255");
        }
        number.map(u16::from)
    });
    object.finish(&["type"], &[], reader);
    icmp
}

fn request(at: &At<'_>, reader: &mut Reader<'_>) -> Option<CaseRequest> {
    let mut object = at.object(reader)?;
    let method = object.require("method", reader).and_then(|at| filled(&at, reader));
    let path = text(&mut object, "path", reader);
    let host = text(&mut object, "host", reader);
    let headers = match object.take("headers", reader) {
        Some(at) => headers(&at, reader),
        None => (!object.has("headers")).then(Vec::new),
    };
    object.finish(&["method", "path", "host", "headers"], &[], reader);
    let (method, path) = (method?.to_owned(), path?);
    if path.is_none() && method != "CONNECT" {
        let message = format!("a {method} request has a path");
        reader.error(at, Code::MissingField, message, "add `path`, with the query if there is one");
        return None;
    }
    Some(CaseRequest { method, path, host: host?, headers: headers? })
}

/// A text that may be left out.
#[expect(clippy::option_option, reason = "the outer one says that an error was reported")]
fn text(object: &mut Object<'_>, field: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    match object.take(field, reader) {
        Some(at) => at.string(reader).map(|text| Some(text.to_owned())),
        None => (!object.has(field)).then_some(None),
    }
}

/// A mapping of names to values, or a list of `[name, value]` where a name is repeated.
fn headers(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    if let Value::List(_) = &*at.node.value {
        let pairs = at.list(reader)?;
        let pairs: Vec<Option<_>> = pairs.iter().map(|at| pair(at, reader)).collect();
        return pairs.into_iter().collect();
    }
    let object = at.object(reader)?;
    let fields: Vec<Option<_>> = object
        .entries()
        .map(|(name, at)| Some((header_name(name, &at, reader)?, at.string(reader)?.to_owned())))
        .collect();
    fields.into_iter().collect()
}

fn pair(at: &At<'_>, reader: &mut Reader<'_>) -> Option<(String, String)> {
    let parts = at.list(reader)?;
    let [name, value] = parts.as_slice() else {
        let message = format!("a header is a name and a value, not {} texts", parts.len());
        reader.error(at, Code::InvalidValue, message, "write it as [x-role, admin]");
        return None;
    };
    Some((header_name(name.string(reader)?, name, reader)?, value.string(reader)?.to_owned()))
}

/// What is no header in a request is asked about in a field of its own.
fn header_name(name: &str, at: &At<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let help = match name.to_ascii_lowercase().as_str() {
        "host" | ":authority" => "write the host as `host`, beside `method`",
        _ if !name.is_empty() && name.chars().all(token) => return Some(name.to_owned()),
        _ => "a header's name is made of letters, digits and !#$%&'*+-.^_`|~",
    };
    reader.error(at, Code::InvalidValue, format!("{name:?} is no header's name here"), help);
    None
}

fn expectation(object: &mut Object<'_>, request: bool, reader: &mut Reader<'_>) -> Option<Expectation> {
    let expected = object.require("expect", reader).and_then(|at| verdict(&at, !request, reader));
    let rule = object.take("rule", reader).map(|at| filled(&at, reader).map(expected_rule));
    let reason = object.take("reason", reader).map(|at| {
        let code = at.string(reader)?;
        if !CODES.contains(&code) {
            let help = format!("expected one of {}", CODES.join(", "));
            reader.error(&at, Code::InvalidValue, format!("there is no reason {code:?}"), help);
            return None;
        }
        Some(code.to_owned())
    });
    let audit = object.take("audit", reader).map(|at| verdict(&at, false, reader));
    Some(Expectation {
        verdict: expected?,
        rule: rule.map_or(Some(None), |rule| rule.map(Some))?,
        reason: reason.map_or(Some(None), |reason| reason.map(Some))?,
        audit: audit.map_or(Some(None), |audit| audit.map(Some))?,
    })
}

fn expected_rule(text: &str) -> ExpectedRule {
    match text {
        "none" => ExpectedRule::None,
        rule => ExpectedRule::Within(rule.trim_end_matches('/').to_owned()),
    }
}

fn verdict(at: &At<'_>, connection: bool, reader: &mut Reader<'_>) -> Option<Verdict> {
    let text = at.string(reader)?;
    match (text, connection) {
        ("allow", _) => return Some(Verdict::Allow),
        ("deny", _) => return Some(Verdict::Deny),
        ("redirect", true) => return Some(Verdict::Redirect),
        _ => {}
    }
    let (message, help) = match text {
        "redirect" => (
            "`redirect` is what becomes of a connection, before its requests".to_owned(),
            "expected allow or deny here",
        ),
        _ if connection => (format!("there is no verdict {text:?}"), "expected allow, deny or redirect"),
        _ => (format!("there is no verdict {text:?}"), "expected allow or deny"),
    };
    reader.error(at, Code::InvalidValue, message, help);
    None
}
