//! Cilium's policies, of today and of 2017.

use postern_tests_oracle::policy::Direction;
use postern_tests_oracle::policy::cilium::{
    Authentication, Beyond, CidrSet, CidrSource, ENTITIES, ICMP_NAMES, Icmp, Item, Peers, Policy, Port,
    PortEntry, PortName, PortProtocol, Rule, ServiceRef, Subject,
};
use postern_tests_oracle::port::{PROTOCOLS, Protocol};

use crate::labels::{ENDPOINTS, KINDS, SOURCED_NODES, selector};
use crate::names::{GROUPS, NAMESPACES, PORT_NAMES, PORTS, PREFIXES, SERVICES, prefix};
use crate::reader::Reader;

pub(crate) fn policy(reader: &mut Reader<'_>) -> Policy {
    let namespace = reader.below(NAMESPACES.len() + 1);
    let namespace = NAMESPACES.get(namespace).map(|name| (*name).to_owned());
    let legacy = reader.below(10) == 9 && namespace.is_some();
    let audit = reader.yes() && !legacy;
    let spec = Some(rule(reader));
    Policy { namespace, name: String::new(), legacy, audit, spec, specs: Vec::new() }
}

/// A rule without items yet.
pub(crate) fn rule(reader: &mut Reader<'_>) -> Rule {
    let nodes = reader.below(10) == 9;
    let vocabulary = if nodes { SOURCED_NODES } else { ENDPOINTS };
    let subject = selector(reader, vocabulary);
    Rule {
        subject: if nodes { Subject::Nodes(subject) } else { Subject::Endpoints(subject) },
        ingress: None,
        ingress_deny: None,
        egress: None,
        egress_deny: None,
        deny_ingress: reader.maybe(Reader::yes),
        deny_egress: reader.maybe(Reader::yes),
    }
}

/// The list that an item is put into, and the item.
pub(crate) fn item(reader: &mut Reader<'_>) -> (Direction, bool, Item) {
    let (direction, deny) = match reader.below(4) {
        0 => (Direction::Ingress, false),
        1 => (Direction::Egress, false),
        2 => (Direction::Ingress, true),
        _ => (Direction::Egress, true),
    };
    let peers = peers(reader, direction, deny);
    let modes = [Authentication::Disabled, Authentication::Required, Authentication::AlwaysFail];
    let authentication = reader.maybe(|reader| reader.one(&modes)).flatten().filter(|_| !deny);
    let icmps = reader.maybe(|reader| reader.several(1, 2, icmp));
    (direction, deny, Item { peers, ports: None, icmps, authentication })
}

fn peers(reader: &mut Reader<'_>, direction: Direction, deny: bool) -> Option<Peers> {
    let kind = reader.below(9);
    let egress = direction == Direction::Egress;
    // With 0 there is one: an empty list, which is nobody, comes last.
    let count = if kind == 0 { 0 } else { [1, 2, 0].get(reader.below(3)).copied().unwrap_or(1) };
    let mut of = (0..count).map(|_| ());
    Some(match kind {
        1 => Peers::Endpoints(of.map(|()| selector(reader, ENDPOINTS)).collect()),
        2 => Peers::Entities(of.filter_map(|()| reader.one(&ENTITIES.map(|(entity, _)| entity))).collect()),
        3 => Peers::Cidrs(of.map(|()| prefix(reader.one(&PREFIXES).unwrap_or_default().0)).collect()),
        4 => Peers::CidrSets(of.map(|()| cidr_set(reader)).collect()),
        5 => Peers::Nodes(of.map(|()| selector(reader, SOURCED_NODES)).collect()),
        6 if egress => Peers::Services(of.map(|()| service(reader)).collect()),
        7 if egress && !deny => {
            let names = ["*.example.com", "example.com", "*"];
            Peers::Fqdns(of.map(|()| reader.word(&names).to_owned()).collect())
        }
        8 => Peers::Groups(of.next().map(|()| reader.word(&["web", "db"]).to_owned()).into_iter().collect()),
        _ => return None,
    })
}

fn cidr_set(reader: &mut Reader<'_>) -> CidrSet {
    let kind = reader.below(3);
    if kind == 0 {
        let (of, within) = reader.one(&PREFIXES).unwrap_or_default();
        let mut except = reader.several(0, within.len().min(2), |reader| reader.word(within));
        except.sort_unstable();
        except.dedup();
        let except = except.into_iter().map(prefix).collect();
        return CidrSet { of: CidrSource::Prefix(prefix(of)), except };
    }
    let except =
        reader.maybe(|reader| prefix(reader.word(&["203.0.113.8/29", "10.0.0.0/8", "2001:db8::/32"])));
    let of = match kind {
        1 => CidrSource::Group(reader.word(&GROUPS).to_owned()),
        _ => CidrSource::Groups(selector(reader, KINDS)),
    };
    CidrSet { of, except: except.into_iter().collect() }
}

fn service(reader: &mut Reader<'_>) -> ServiceRef {
    if reader.yes() {
        let namespace = reader.maybe(|reader| reader.word(&NAMESPACES).to_owned());
        return ServiceRef::Labels(selector(reader, KINDS), namespace);
    }
    let (namespace, name) = reader.one(&SERVICES).unwrap_or_default();
    ServiceRef::Named(namespace.to_owned(), name.to_owned())
}

fn icmp(reader: &mut Reader<'_>) -> Icmp {
    let family_written = reader.yes();
    if reader.yes() {
        let (v6, number, name) = reader.one(&ICMP_NAMES).unwrap_or((false, 8, "EchoRequest"));
        return Icmp { v6, family_written, number, name: Some(name) };
    }
    Icmp {
        v6: reader.yes(),
        family_written,
        number: reader.one(&[0_u8, 3, 8, 128]).unwrap_or_default(),
        name: None,
    }
}

/// An entry of `toPorts`, without HTTP rules but perhaps with an empty list of them.
pub(crate) fn entry(reader: &mut Reader<'_>) -> PortEntry {
    let ports = Some(reader.several(1, 2, port));
    let beyond =
        [Beyond::ServerNames, Beyond::TerminatingTls, Beyond::OriginatingTls, Beyond::Listener, Beyond::Dns];
    match reader.below(6) {
        0..=2 => PortEntry { ports, http: None, beyond: None },
        3 => PortEntry { ports, http: Some(Vec::new()), beyond: None },
        4 => PortEntry { ports, http: None, beyond: reader.one(&beyond) },
        _ => PortEntry { ports: None, http: None, beyond: None },
    }
}

fn port(reader: &mut Reader<'_>) -> Port {
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(PortProtocol::Only);
    let kind = reader.below(5);
    if kind == 4 {
        let portless = PROTOCOLS.get(5..).and_then(|portless| reader.one(portless));
        let port = if reader.yes() { PortName::Number(0) } else { PortName::Absent };
        return Port { port, end: None, protocol: portless.map(PortProtocol::Only) };
    }
    let protocol = match reader.below(5) {
        0 => None,
        1 => Some(PortProtocol::Any),
        _ => reader.one(&protocols),
    };
    match kind {
        0 => Port { port: PortName::Number(reader.one(&PORTS).unwrap_or(80)), end: None, protocol },
        1 => {
            let [a, b] = [0; 2].map(|_: u8| reader.one(&PORTS).unwrap_or(80));
            Port { port: PortName::Number(a.min(b)), end: Some(a.max(b)), protocol }
        }
        2 => Port { port: PortName::Name(reader.word(&PORT_NAMES).to_owned()), end: None, protocol },
        _ => Port { port: PortName::Number(0), end: None, protocol },
    }
}
