//! `toPorts`: ports and what is looked at on them.

use std::sync::Arc;

use postern_policy_core::policy::{Direction, Effect, PortRule, RuleId};

use super::l7::L7;
use super::{Context, Dialect, List, l7, listener, port, tls};
use crate::decode::{At, Object, Reader};
use crate::diagnostic::Code;

/// The most ports one entry may list, as upstream's own limit.
const MAX_PORTS: usize = 40;
/// What an entry may have beside its ports, and where it can only allow.
const ALLOW_ONLY: [&str; 5] = ["rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"];

/// Reads `toPorts`.
pub(super) fn port_rules(
    at: &At<'_>,
    list: &List,
    item: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<PortRule>> {
    let mut rules = Vec::new();
    for (index, at) in at.list(reader)?.iter().enumerate() {
        let id = item.child("toPorts").child(index);
        rules.push(port_rule(at, list, id, context, reader));
    }
    rules.into_iter().collect()
}

fn port_rule(
    at: &At<'_>,
    list: &List,
    id: RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<PortRule> {
    reader.locate(&id, at);
    let mut object = at.object(reader)?;
    let ports_at = object.take("ports", reader);
    let mut known = vec!["ports"];
    let beside = match (list.effect, context.dialect) {
        (Effect::Deny | Effect::Pass, _) => {
            refuse_beside(&mut object, reader);
            Some(Beside::default())
        }
        (Effect::Allow, Dialect::Legacy) => {
            known.push("rules");
            rules(&mut object, &id, context, reader).map(|l7| Beside { l7, unenforced: Vec::new() })
        }
        (Effect::Allow, Dialect::Modern) => {
            known.extend(ALLOW_ONLY);
            beside(&mut object, list, &id, context, reader)
        }
    };
    object.finish(&known, &[], reader);

    // Ports are read even where the rules are wrong: every error is reported at once.
    let l7 = beside.as_ref().map_or(&L7::Nothing, |beside| &beside.l7);
    let given = match &ports_at {
        Some(at) => at.list(reader)?,
        None => Vec::new(),
    };
    if given.len() > MAX_PORTS {
        let message = format!("{} ports in one entry, more than the {MAX_PORTS} allowed", given.len());
        let help = "use endPort for a range, or a second toPorts entry";
        reader.error(ports_at.as_ref().unwrap_or(at), Code::InvalidValue, message, help);
    }
    if given.is_empty() && matches!(l7, L7::Dns) {
        reader.error(at, Code::MissingField, "DNS rules need ports", "add the port, usually \"53\"");
    }
    let ports: Vec<_> = given.iter().map(|at| port::port(at, l7, context, reader)).collect();
    let ports = ports.into_iter().collect::<Option<_>>()?;
    let beside = beside?;
    let unenforced = unenforced(&beside.unenforced);
    let http = match beside.l7 {
        L7::Http(rules) => Some(rules),
        L7::Nothing | L7::Dns => None,
    };
    Some(PortRule { id, ports, http, unenforced })
}

fn refuse_beside(entry: &mut Object<'_>, reader: &mut Reader<'_>) {
    for field in ALLOW_ONLY {
        if let Some(at) = entry.get(field) {
            let message = format!("`{field}` can only allow: what denies has ports and nothing else");
            let help = "remove it to deny the ports as a whole, or move it to a list that allows";
            reader.error(&at, Code::Conflict, message, help);
        }
        entry.ignore(field);
    }
}

/// What an entry says beside its ports.
#[derive(Default)]
struct Beside {
    l7: L7,
    /// The fields that nothing enforces yet.
    unenforced: Vec<&'static str>,
}

fn beside(
    entry: &mut Object<'_>,
    list: &List,
    id: &RuleId,
    context: &Context<'_>,
    reader: &mut Reader<'_>,
) -> Option<Beside> {
    let rules_at = entry.get("rules");
    let l7 = rules(entry, id, context, reader);
    let looks_inside = !matches!(l7, Some(L7::Nothing));
    let mut unenforced = Vec::new();
    if matches!(l7, Some(L7::Dns)) {
        unenforced.push("rules.dns");
    }
    for field in ["terminatingTLS", "originatingTLS"] {
        if let Some(at) = entry.take(field, reader) {
            tls::context(&at, reader);
            unenforced.push(field);
        }
    }
    if let Some(at) = entry.take("serverNames", reader) {
        tls::server_names(&at, reader);
        if looks_inside && !unenforced.contains(&"terminatingTLS") {
            let message = "serverNames with rules needs terminatingTLS: TLS hides what the rules look at";
            reader.error(&at, Code::Conflict, message, "add terminatingTLS, or remove one of the two");
        }
        unenforced.push("serverNames");
    }
    if let Some(at) = entry.take("listener", reader) {
        listener::listener(&at, reader);
        if list.direction == Direction::Ingress {
            let message = "a listener is for egress only";
            reader.error(&at, Code::Conflict, message, "remove it");
        }
        if looks_inside {
            let message = "an entry has either a listener or rules: the listener has its own";
            reader.error(&at, Code::Conflict, message, "remove one of the two");
        }
        unenforced.push("listener");
    }
    if let Some(at) = rules_at {
        match &l7 {
            Some(L7::Http(_)) if context.of_nodes => {
                let message = "a rule that selects nodes cannot look at HTTP";
                reader.error(&at, Code::Conflict, message, "remove `rules`, or select pods");
            }
            Some(L7::Dns) if list.direction == Direction::Ingress => {
                let message = "DNS rules are for egress only: they look at what the subject asks";
                reader.error(&at, Code::Conflict, message, "move them to the egress of those who ask");
            }
            _ => {}
        }
    }
    Some(Beside { l7: l7?, unenforced })
}

fn rules(entry: &mut Object<'_>, id: &RuleId, context: &Context<'_>, reader: &mut Reader<'_>) -> Option<L7> {
    if !entry.has("rules") {
        return Some(L7::Nothing);
    }
    l7::rules(&entry.take("rules", reader)?, id, context, reader)
}

fn unenforced(fields: &[&str]) -> Option<Arc<str>> {
    let why = match fields {
        [] => return None,
        [field] => format!("{field} is not enforced yet"),
        [fields @ .., last] => format!("{} and {last} are not enforced yet", fields.join(", ")),
    };
    Some(why.into())
}
