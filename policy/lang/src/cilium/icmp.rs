//! `icmps`: ICMP types, by number or by name.

use postern_policy_core::policy::{PortRule, RuleId};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};

use crate::decode::{At, Reader};
use crate::diagnostic::Code;
use crate::node::Type;

/// The most types one entry may list, as upstream's own limit.
const MAX_FIELDS: usize = 40;

/// The names of ICMP's types (IANA, "ICMP Parameters").
const IPV4: [(&str, u8); 14] = [
    ("EchoReply", 0),
    ("DestinationUnreachable", 3),
    ("Redirect", 5),
    ("Echo", 8),
    ("EchoRequest", 8),
    ("RouterAdvertisement", 9),
    ("RouterSelection", 10),
    ("TimeExceeded", 11),
    ("ParameterProblem", 12),
    ("Timestamp", 13),
    ("TimestampReply", 14),
    ("Photuris", 40),
    ("ExtendedEchoRequest", 42),
    ("ExtendedEchoReply", 43),
];

/// The names of ICMPv6's types (IANA, "ICMPv6 Parameters").
const IPV6: [(&str, u8); 27] = [
    ("DestinationUnreachable", 1),
    ("PacketTooBig", 2),
    ("TimeExceeded", 3),
    ("ParameterProblem", 4),
    ("EchoRequest", 128),
    ("EchoReply", 129),
    ("MulticastListenerQuery", 130),
    ("MulticastListenerReport", 131),
    ("MulticastListenerDone", 132),
    ("RouterSolicitation", 133),
    ("RouterAdvertisement", 134),
    ("NeighborSolicitation", 135),
    ("NeighborAdvertisement", 136),
    ("RedirectMessage", 137),
    ("RouterRenumbering", 138),
    ("ICMPNodeInformationQuery", 139),
    ("ICMPNodeInformationResponse", 140),
    ("InverseNeighborDiscoverySolicitation", 141),
    ("InverseNeighborDiscoveryAdvertisement", 142),
    ("HomeAgentAddressDiscoveryRequest", 144),
    ("HomeAgentAddressDiscoveryReply", 145),
    ("MobilePrefixSolicitation", 146),
    ("MobilePrefixAdvertisement", 147),
    ("DuplicateAddressRequestCodeSuffix", 157),
    ("DuplicateAddressConfirmationCodeSuffix", 158),
    ("ExtendedEchoRequest", 160),
    ("ExtendedEchoReply", 161),
];

/// Reads `icmps`.
pub(super) fn icmps(at: &At<'_>, item: &RuleId, reader: &mut Reader<'_>) -> Option<Vec<PortRule>> {
    let mut rules = Vec::new();
    for (index, at) in at.list(reader)?.iter().enumerate() {
        let id = item.child("icmps").child(index);
        reader.locate(&id, at);
        rules.push(rule(at, id, reader));
    }
    rules.into_iter().collect()
}

fn rule(at: &At<'_>, id: RuleId, reader: &mut Reader<'_>) -> Option<PortRule> {
    let mut object = at.object(reader)?;
    let fields_at = object.take("fields", reader);
    object.finish(&["fields"], &[], reader);
    let fields = match &fields_at {
        Some(at) => at.list(reader)?,
        None => Vec::new(),
    };
    if fields.len() > MAX_FIELDS {
        let message = format!("{} types in one entry, more than the {MAX_FIELDS} allowed", fields.len());
        reader.error(fields_at.as_ref().unwrap_or(at), Code::InvalidValue, message, "add a second entry");
    }
    let ports: Vec<_> = fields.iter().map(|at| field(at, reader)).collect();
    let ports = ports.into_iter().collect::<Option<_>>()?;
    Some(PortRule { id, ports, http: None, unenforced: None })
}

fn field(at: &At<'_>, reader: &mut Reader<'_>) -> Option<PortSpec> {
    let mut object = at.object(reader)?;
    let has_family = object.has("family");
    let family = object.take("family", reader);
    let kind = object.require("type", reader);
    object.finish(&["family", "type"], &[], reader);
    let (protocol, names): (_, &[(&str, u8)]) = match &family {
        None if has_family => return None,
        None => (Protocol::Icmp, &IPV4),
        Some(at) => match at.string(reader)? {
            "IPv4" => (Protocol::Icmp, &IPV4),
            "IPv6" => (Protocol::IcmpV6, &IPV6),
            other => {
                let message = format!("there is no family {other:?}");
                reader.error(at, Code::InvalidValue, message, "expected IPv4 or IPv6");
                return None;
            }
        },
    };
    let number = u16::from(number(&kind?, protocol, names, reader)?);
    Some(PortSpec::Numbers(PortRange {
        protocol: ProtocolMatch::Only(protocol),
        first: number,
        last: number,
    }))
}

fn number(at: &At<'_>, protocol: Protocol, names: &[(&str, u8)], reader: &mut Reader<'_>) -> Option<u8> {
    let (found, known) = match at.kind() {
        Some(Type::Integer(number)) => (number.to_string(), u8::try_from(number).ok()),
        _ => {
            let text = at.string(reader)?;
            let named = names.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
            let written = || text.parse::<u8>().ok().filter(|number| number.to_string() == text);
            (format!("{text:?}"), named.or_else(written))
        }
    };
    if known.is_none() {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let message = format!("{protocol} has no type {found}");
        let help = format!("expected a number from 0 to 255, or one of {}", names.join(", "));
        reader.error(at, Code::InvalidValue, message, help);
    }
    known
}
