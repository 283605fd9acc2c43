//! `rules`: what is looked at inside a connection.

use std::sync::Arc;

use postern_policy_core::http::HttpRule;
use postern_policy_core::policy::RuleId;

use super::{Context, Dialect, fqdn, http};
use crate::decode::{At, Reader};
use crate::diagnostic::Code;

/// What a `toPorts` entry looks at.
#[derive(Default)]
pub(super) enum L7 {
    /// Nothing: the connection passes or does not.
    #[default]
    Nothing,
    /// HTTP requests, of which there is at least one rule.
    Http(Arc<[HttpRule]>),
    /// DNS queries.
    Dns,
}

/// What Cilium had once.
const REMOVED: [&str; 3] = ["kafka", "l7proto", "l7"];

/// Reads `rules`. An empty HTTP list looks at no HTTP: it is the same as none.
pub(super) fn rules(at: &At<'_>, id: &RuleId, context: &Context<'_>, reader: &mut Reader<'_>) -> Option<L7> {
    let mut object = at.object(reader)?;
    let errors_before = reader.errors();
    let mut given: Vec<At<'_>> = Vec::new();
    given.extend(object.take("http", reader));
    let (mut dns, mut known) = (None, vec!["http"]);
    match context.dialect {
        Dialect::Legacy => given.extend(object.take("HTTP", reader)),
        Dialect::Modern => {
            dns = object.take("dns", reader);
            known.push("dns");
        }
    }
    for field in REMOVED {
        if let Some(at) = object.get(field) {
            let message = format!("`{field}` was removed from Cilium");
            let help = "remove it: http and dns are what is left; without rules, the ports are allowed whole";
            reader.error(&at, Code::UnknownField, message, help);
        }
        object.ignore(field);
    }
    object.finish(&known, &[], reader);
    match (given.as_slice(), &dns) {
        ([at], None) => {
            let rules = http::rules(at, id, context, reader)?;
            Some(if rules.is_empty() { L7::Nothing } else { L7::Http(rules) })
        }
        ([], Some(at)) => fqdn::names(at, reader).map(|_| L7::Dns),
        ([], None) => {
            if reader.errors() == errors_before {
                let message = "`rules` says nothing";
                reader.error(at, Code::MissingField, message, "add `http` or `dns`, or remove `rules`");
            }
            None
        }
        (_, Some(_)) => {
            let message = "both `http` and `dns` are given: a port speaks one of them";
            reader.error(at, Code::Conflict, message, "write a toPorts entry for each");
            None
        }
        _ => {
            reader.error(at, Code::Conflict, "both `http` and `HTTP` are given", "keep one of the two");
            None
        }
    }
}
