//! What of a plan exists.

use rtnetlink::packet_route::route::{RouteMessage, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::kernel::{Kernel, SteerError, is_inverted, is_local_default};
use super::plan::{Plan, Route, Rule};

/// A plan beside what the kernel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Each rule of the plan.
    pub rules: Vec<(Rule, Presence)>,
    /// Each route of the plan.
    pub routes: Vec<(Route, Presence)>,
}

/// What there is of a rule or a route, and in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// It is there.
    pub present: bool,
    /// Something of somebody else's: a rule with the same priority and mark, another route in the table.
    pub foreign: Option<String>,
}

impl Inspection {
    /// Whether everything is there, and nothing in its way.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let rules = self.rules.iter().map(|(_, presence)| presence);
        let mut all = rules.chain(self.routes.iter().map(|(_, presence)| presence));
        all.all(|presence| presence.present && presence.foreign.is_none())
    }
}

/// Looks at the network namespace of this thread.
///
/// # Errors
/// When the kernel does not tell.
pub async fn inspect(plan: &Plan) -> Result<Inspection, SteerError> {
    look(&Kernel::open()?, plan).await
}

pub(super) async fn look(kernel: &Kernel, plan: &Plan) -> Result<Inspection, SteerError> {
    let mut inspection = Inspection { rules: Vec::new(), routes: Vec::new() };
    for rule in &plan.rules {
        let all = kernel.rules(rule.family).await?;
        inspection.rules.push((*rule, rule_presence(rule, all.iter())));
    }
    for route in &plan.routes {
        let all = kernel.routes(route.family, route.table).await?;
        inspection.routes.push((*route, route_presence(&all)));
    }
    Ok(inspection)
}

fn rule_presence<'a>(rule: &Rule, all: impl Iterator<Item = &'a RuleMessage>) -> Presence {
    let mut presence = Presence::default();
    for found in all.map(Found::of).filter(|found| found.has_place_of(rule)) {
        if found.is(rule) {
            presence.present = true;
        } else {
            presence.foreign = Some(found.text());
        }
    }
    presence
}

fn route_presence(all: &[RouteMessage]) -> Presence {
    let foreign = all.iter().find(|route| !is_local_default(route));
    Presence { present: all.iter().any(is_local_default), foreign: foreign.map(describe) }
}

fn describe(route: &RouteMessage) -> String {
    match route.header.kind {
        RouteType::Unicast => format!("a route to a /{}", route.header.destination_prefix_length),
        kind => format!("a route of type {kind:?} to a /{}", route.header.destination_prefix_length)
            .to_lowercase(),
    }
}

/// A rule of the kernel's, as far as ours can be mistaken for it.
struct Found {
    priority: u32,
    mark: u32,
    mask: u32,
    /// `None`: it does something else than to look in a table.
    table: Option<u32>,
    /// Whether it asks for more than the mark.
    asks_more: bool,
}

impl Found {
    fn of(message: &RuleMessage) -> Self {
        let header = &message.header;
        let to_table = header.action == RuleAction::ToTable;
        let mut found = Self {
            priority: 0,
            mark: 0,
            mask: 0,
            table: to_table.then_some(u32::from(header.table)),
            asks_more: is_inverted(message) || header.src_len != 0 || header.dst_len != 0 || header.tos != 0,
        };
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(priority) => found.priority = *priority,
                RuleAttribute::FwMark(mark) => found.mark = *mark,
                RuleAttribute::FwMask(mask) => found.mask = *mask,
                RuleAttribute::Table(table) => found.table = to_table.then_some(*table),
                // Who made it; and that no route is passed over.
                RuleAttribute::Protocol(_) | RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
                _ => found.asks_more = true,
            }
        }
        found
    }

    fn has_place_of(&self, rule: &Rule) -> bool {
        self.priority == rule.priority && self.mark == rule.mark
    }

    fn is(&self, rule: &Rule) -> bool {
        self.has_place_of(rule) && self.mask == rule.mask && self.table == Some(rule.table) && !self.asks_more
    }

    fn text(&self) -> String {
        let Self { priority, mark, mask, table, asks_more } = self;
        let more = if *asks_more { " and more" } else { "" };
        let action = table.map_or("another action".to_owned(), |table| format!("lookup {table}"));
        format!("priority {priority} fwmark {mark:#x}/{mask:#x}{more} {action}")
    }
}
