//! The fields of an item that name its peers.

use std::sync::Arc;

use postern_policy_core::peer::{Entity, PeerTerm};
use postern_policy_core::policy::{Direction, Effect, PeerSelector};

use super::{Context, Dialect, List, cidrs, fqdn, groups, selectors, services};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// One way of naming peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Endpoints,
    Nodes,
    Cidr,
    CidrSet,
    Entities,
    Services,
    Groups,
    Fqdns,
    Requires,
}

/// The field that names peers in one way, for one direction.
struct Field {
    name: &'static str,
    direction: Direction,
    kind: Kind,
}

const fn ingress(name: &'static str, kind: Kind) -> Field {
    Field { name, direction: Direction::Ingress, kind }
}

const fn egress(name: &'static str, kind: Kind) -> Field {
    Field { name, direction: Direction::Egress, kind }
}

const FIELDS: [Field; 16] = [
    ingress("fromEndpoints", Kind::Endpoints),
    ingress("fromNodes", Kind::Nodes),
    ingress("fromCIDR", Kind::Cidr),
    ingress("fromCIDRSet", Kind::CidrSet),
    ingress("fromEntities", Kind::Entities),
    ingress("fromGroups", Kind::Groups),
    ingress("fromRequires", Kind::Requires),
    egress("toEndpoints", Kind::Endpoints),
    egress("toNodes", Kind::Nodes),
    egress("toCIDR", Kind::Cidr),
    egress("toCIDRSet", Kind::CidrSet),
    egress("toEntities", Kind::Entities),
    egress("toServices", Kind::Services),
    egress("toGroups", Kind::Groups),
    egress("toFQDNs", Kind::Fqdns),
    egress("toRequires", Kind::Requires),
];

impl Field {
    fn is_in(&self, list: &List, dialect: Dialect) -> bool {
        let of_2017 = matches!(self.kind, Kind::Endpoints | Kind::Cidr | Kind::CidrSet | Kind::Entities)
            || self.kind == Kind::Requires;
        self.direction == list.direction && (dialect == Dialect::Modern || of_2017)
    }
}

/// The names of the fields that an item of this list has for its peers.
pub(super) fn fields(list: &List, dialect: Dialect) -> impl Iterator<Item = &'static str> {
    FIELDS.iter().filter(move |field| field.is_in(list, dialect)).map(|field| field.name)
}

/// The peers of an item.
pub(super) struct Peers {
    pub(super) selector: PeerSelector,
    /// Why nothing enforces them yet.
    pub(super) unenforced: Option<Arc<str>>,
}

/// Reads the peers of an item. A field that is there names peers, and an empty list of them names nobody.
pub(super) fn peers(
    item: &mut Object<'_>,
    list: &List,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Peers> {
    let mut read: Vec<Option<Named>> = Vec::new();
    for field in FIELDS.iter().filter(|field| field.is_in(list, context.dialect)) {
        if item.has(field.name) {
            let at = item.take(field.name, reader);
            read.push(at.and_then(|at| named(field, &at, list, context, reader)));
        }
    }
    let read: Vec<Named> = read.into_iter().collect::<Option<_>>()?;
    let naming: Vec<&str> = read.iter().filter(|named| !named.terms.is_empty()).map(|n| n.field).collect();
    if naming.len() > 1 {
        let message = format!("the item names peers in several ways: {}", naming.join(", "));
        reader.error(&item.at, Code::Conflict, message, "write an item for each: items are alternatives");
        return None;
    }
    if read.is_empty() {
        return Some(Peers { selector: PeerSelector::Unnamed, unenforced: None });
    }
    let unenforced = read.iter().find_map(|named| named.unenforced.clone());
    let terms = read.into_iter().flat_map(|named| named.terms).collect();
    Some(Peers { selector: PeerSelector::AnyOf(terms), unenforced })
}

/// What one field names.
struct Named {
    field: &'static str,
    terms: Vec<PeerTerm>,
    unenforced: Option<Arc<str>>,
}

fn named(
    field: &Field,
    at: &At<'_>,
    list: &List,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Named> {
    let Field { name, kind, .. } = field;
    let known = |terms| Named { field: name, terms, unenforced: None };
    // Nobody follows these yet. They mean some of the world: where that is denied, all of it is.
    let unknown = |count: usize| match count {
        0 => known(Vec::new()),
        _ => Named {
            field: name,
            terms: vec![PeerTerm::Entity(Entity::World)],
            unenforced: Some(format!("{name} is not enforced yet").into()),
        },
    };
    match kind {
        Kind::Endpoints => selectors::endpoints(at, context, reader).map(known),
        Kind::Nodes => selectors::nodes(at, reader).map(known),
        Kind::Cidr => cidrs::plain(at, reader).map(known),
        Kind::CidrSet => cidrs::sets(at, reader).map(known),
        Kind::Entities => entities(at, reader).map(known),
        Kind::Services => services::services(at, reader).map(known),
        Kind::Groups => groups::groups(at, reader).map(unknown),
        Kind::Fqdns if list.effect == Effect::Allow => fqdn::names(at, reader).map(unknown),
        Kind::Fqdns => {
            let message = format!("`{name}` can only allow: nobody could tell which addresses are denied");
            let help = "deny the addresses with toCIDRSet, or allow only the names that are wanted";
            reader.error(at, Code::Conflict, message, help);
            None
        }
        Kind::Requires => {
            if !at.list(reader)?.is_empty() {
                let message = format!("`{name}` was removed from Cilium: only an empty list is left of it");
                let help = "remove it, and add the labels to the selectors of the peers";
                reader.error(at, Code::UnknownField, message, help);
            }
            Some(known(Vec::new()))
        }
    }
}

fn entities(at: &At<'_>, reader: &mut Reader<'_>) -> Option<Vec<PeerTerm>> {
    let mut terms = Vec::new();
    for at in at.list(reader)? {
        let text = at.string(reader)?;
        let entity = Entity::parse(text);
        if entity.is_none() {
            let names: Vec<&str> = Entity::EVERY.into_iter().map(Entity::as_str).collect();
            let message = format!("there is no entity {text:?}");
            reader.error(&at, Code::InvalidValue, message, format!("expected one of {}", names.join(", ")));
        }
        terms.push(entity.map(PeerTerm::Entity));
    }
    terms.into_iter().collect()
}
