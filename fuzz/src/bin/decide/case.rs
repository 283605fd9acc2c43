//! A case out of bytes: a line is a thing, its first letter says what it is, the rest is choices.

use std::fmt;

use postern_tests_oracle::evaluate::Question;
use postern_tests_oracle::policy::cilium::{Item, PortEntry, Rule};
use postern_tests_oracle::policy::{Direction, Policy, cilium as written};
use postern_tests_oracle::port::{Protocol, Target};
use postern_tests_oracle::print;
use postern_tests_oracle::world::World;

use crate::names::PORTS;
use crate::reader::Reader;
use crate::worlds::some_address;
use crate::{cilium, http, kubernetes, tiered, valid, worlds};

/// How many of each there are at most: what one input costs is bounded.
const POLICIES: usize = 6;
const RULES: usize = 3;
const ITEMS: usize = 4;
const QUESTIONS: usize = 12;

/// A world, policies, and questions about them.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) policies: Vec<Policy>,
    pub(crate) questions: Vec<Question>,
    /// The list of Cilium's last rule that the last item was put into.
    last: Option<(Direction, bool)>,
}

impl Case {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut case = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Some((kind, rest)) = line.split_first() {
                case.line(*kind, &mut Reader::new(rest));
            }
        }
        for (index, policy) in case.policies.iter_mut().enumerate() {
            // In no order that the documents have.
            let name = format!("p{}", (index * 7 + 3) % 10);
            match policy {
                Policy::Cilium(policy) => {
                    policy.name = name;
                    valid::valid(policy);
                }
                Policy::Kubernetes(policy) => policy.name = name,
                Policy::Tiered(policy) => policy.name = name,
            }
        }
        case
    }

    pub(crate) fn inventory(&self) -> String {
        print::inventory(&self.world)
    }

    pub(crate) fn documents(&self) -> String {
        print::policies(&self.policies, &self.world)
    }

    fn line(&mut self, kind: u8, reader: &mut Reader<'_>) {
        match kind {
            b'w' => worlds::workload(&mut self.world, reader),
            b's' => worlds::namespace(&mut self.world, reader),
            b'n' => worlds::node(&mut self.world, reader),
            b'v' => worlds::service(&mut self.world, reader),
            b'g' => worlds::group(&mut self.world, reader),
            b'a' => worlds::api_server(&mut self.world, reader),
            b'c' => self.policy(Policy::Cilium(cilium::policy(reader))),
            b'k' => self.policy(Policy::Kubernetes(kubernetes::policy(reader))),
            b't' => self.policy(Policy::Tiered(tiered::policy(reader))),
            b'r' => self.rule(cilium::rule(reader)),
            b'i' => self.item(reader),
            b'p' => self.entry(cilium::entry(reader)),
            b'h' => self.http(reader),
            b'q' => self.question(reader),
            _ => {}
        }
    }

    fn policy(&mut self, policy: Policy) {
        if self.policies.len() < POLICIES {
            self.policies.push(policy);
            self.last = None;
        }
    }

    /// Another rule of Cilium's last policy.
    fn rule(&mut self, rule: Rule) {
        if let Some(Policy::Cilium(policy)) = self.policies.last_mut()
            && !policy.legacy
            && policy.specs.len() < RULES
        {
            policy.specs.push(rule);
            self.last = None;
        }
    }

    /// An item of the last policy, whichever dialect it is of.
    fn item(&mut self, reader: &mut Reader<'_>) {
        match self.policies.last_mut() {
            Some(Policy::Cilium(policy)) => {
                let (direction, deny, item) = cilium::item(reader);
                if let Some(rule) = last_rule(policy) {
                    push(list(rule, direction, deny).get_or_insert_default(), item);
                    self.last = Some((direction, deny));
                }
            }
            Some(Policy::Kubernetes(policy)) => {
                let (direction, item) = kubernetes::item(reader);
                let list = match direction {
                    Direction::Ingress => &mut policy.ingress,
                    Direction::Egress => &mut policy.egress,
                };
                push(list.get_or_insert_default(), item);
            }
            Some(Policy::Tiered(policy)) => {
                let (direction, rule) = tiered::rule(reader);
                push(
                    if direction == Direction::Ingress { &mut policy.ingress } else { &mut policy.egress },
                    rule,
                );
            }
            None => {}
        }
    }

    /// An entry of `toPorts` of Cilium's last item.
    fn entry(&mut self, entry: PortEntry) {
        if let Some(item) = self.last_item() {
            push(item.ports.get_or_insert_default(), entry);
        }
    }

    /// An HTTP rule of the last such entry.
    fn http(&mut self, reader: &mut Reader<'_>) {
        let rule = http::rule(reader);
        if let Some(entry) = self.last_item().and_then(|item| item.ports.as_mut()?.last_mut()) {
            push(entry.http.get_or_insert_default(), rule);
        }
    }

    fn last_item(&mut self) -> Option<&mut Item> {
        let (direction, deny) = self.last?;
        let Some(Policy::Cilium(policy)) = self.policies.last_mut() else { return None };
        list(last_rule(policy)?, direction, deny).as_mut()?.last_mut()
    }

    fn question(&mut self, reader: &mut Reader<'_>) {
        if self.questions.len() >= QUESTIONS {
            return;
        }
        let [from, to] = [0; 2].map(|_: u8| some_address(reader));
        let port = reader.one(&PORTS).unwrap_or(80);
        let port = port.saturating_add([0, 1].get(reader.below(2)).copied().unwrap_or_default());
        let icmp = reader.one(&[0_u16, 3, 8, 128, 129]).unwrap_or_default();
        let target = match reader.below(6) {
            0..=2 => Target { protocol: Protocol::Tcp, port },
            3 => Target { protocol: if reader.yes() { Protocol::Sctp } else { Protocol::Udp }, port },
            4 => {
                Target { protocol: if reader.yes() { Protocol::IcmpV6 } else { Protocol::Icmp }, port: icmp }
            }
            _ => Target { protocol: Protocol::Gre, port: 0 },
        };
        // Only TCP carries requests.
        let request = Some(http::request(reader)).filter(|_| target.protocol == Protocol::Tcp);
        self.questions.push(Question { from, to, target, request });
    }
}

fn last_rule(policy: &mut written::Policy) -> Option<&mut Rule> {
    policy.specs.last_mut().or(policy.spec.as_mut())
}

fn list(rule: &mut Rule, direction: Direction, deny: bool) -> &mut Option<Vec<Item>> {
    match (direction, deny) {
        (Direction::Ingress, false) => &mut rule.ingress,
        (Direction::Ingress, true) => &mut rule.ingress_deny,
        (Direction::Egress, false) => &mut rule.egress,
        (Direction::Egress, true) => &mut rule.egress_deny,
    }
}

fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() < ITEMS {
        list.push(one);
    }
}

/// What a finding shows: the documents, to be tried by hand.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# inventory\n{}\n# policies\n{}", self.inventory(), self.documents())
    }
}
