//! The rules of one side, and what each made of the traffic.

use std::fmt;

use crate::decide::{Decision, describe_miss};
use crate::endpoint::{Action, DirectionPolicy, Flow, Ports, Rule, Tier};
use crate::http::{Field, HttpMatcher, HttpRule, Request};
use crate::policy::RuleId;

use super::Traffic;

/// One rule that was considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it is asked.
    pub tier: Tier,
    /// The rule.
    pub rule: RuleId,
    /// What came of it.
    pub outcome: Outcome,
    /// What it does, or the first thing about it that did not match.
    pub why: String,
}

/// What came of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It allows the traffic.
    Allowed,
    /// It denies it.
    Denied,
    /// It leaves it to the next tier.
    Passed,
    /// It covers the connection and lets HTTP rules decide each request.
    Redirected,
    /// It is about something else: this is the first thing that did not match.
    Missed(Aspect),
    /// It would allow the traffic, in a way that is not enforced.
    Quarantined,
    /// It was not asked.
    NotReached,
}

impl Outcome {
    /// Whether the rule matched and said something.
    pub fn matched(self) -> bool {
        matches!(self, Self::Allowed | Self::Denied | Self::Passed | Self::Redirected)
    }

    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Passed => "passed",
            Self::Redirected => "redirected",
            Self::Missed(_) => "missed",
            Self::Quarantined => "quarantined",
            Self::NotReached => "not-reached",
        }
    }
}

/// A part of a rule that traffic is held against, in the order in which that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Who is at the other end.
    Peer,
    /// Protocol and port.
    Port,
    /// The request's method.
    Method,
    /// The request's path.
    Path,
    /// The request's host.
    Host,
    /// One of the request's headers.
    Header,
}

impl Aspect {
    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Port => "port",
            Self::Method => "method",
            Self::Path => "path",
            Self::Host => "host",
            Self::Header => "header",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Field> for Aspect {
    fn from(field: Field) -> Self {
        match field {
            Field::Method => Self::Method,
            Field::Path => Self::Path,
            Field::Host => Self::Host,
            Field::Header(_) => Self::Header,
        }
    }
}

/// How close a rule came that would have allowed the traffic: the greater, the closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// Neither peer nor port match.
    Nothing,
    /// The port does.
    OnlyPort,
    /// The peer does.
    OnlyPeer,
    /// Both do, and the request in all fields before this one.
    Until(Field),
}

/// A step, and how close it came.
pub(super) struct Traced {
    pub(super) step: Step,
    pub(super) near: Option<Nearness>,
}

/// One end's policy and the traffic as it sees it.
pub(super) struct View<'v> {
    pub(super) rules: &'v DirectionPolicy,
    pub(super) flow: Flow,
    pub(super) peer: String,
    pub(super) request: Option<&'v Request<'v>>,
}

impl<'v> View<'v> {
    pub(super) fn decide(&self) -> Decision<'v> {
        match self.request {
            Some(request) => self.rules.request(&self.flow, request),
            None => self.rules.connection(&self.flow),
        }
    }

    /// Every rule in its order. The order of evaluation is the engine's own; this walks it once more to say
    /// where it ended.
    pub(super) fn trace(&self) -> Vec<Traced> {
        let mut traced = Vec::new();
        let mut passed: Option<(Tier, &RuleId)> = None;
        let mut decided: Option<(Tier, RuleId)> = None;
        for rule in &self.rules.rules {
            if let Some(why) = self.out_of_reach(rule, passed, decided.as_ref()) {
                let (tier, rule, outcome) = (rule.tier, rule.id.clone(), Outcome::NotReached);
                traced.push(Traced { step: Step { tier, rule, outcome, why }, near: None });
                continue;
            }
            let steps = self.steps(rule);
            for Traced { step, .. } in &steps {
                match step.outcome {
                    Outcome::Passed => passed = Some((rule.tier, &rule.id)),
                    Outcome::Allowed | Outcome::Denied | Outcome::Redirected if decided.is_none() => {
                        decided = Some((rule.tier, step.rule.clone()));
                    }
                    _ => {}
                }
            }
            traced.extend(steps);
        }
        traced
    }

    fn out_of_reach(
        &self,
        rule: &Rule,
        passed: Option<(Tier, &RuleId)>,
        decided: Option<&(Tier, RuleId)>,
    ) -> Option<String> {
        if let Some((tier, by)) = decided
            && (*tier < rule.tier || (*tier == rule.tier && is_ordered(*tier)))
        {
            return Some(format!("not reached: {by} has decided"));
        }
        if let Some((tier, by)) = passed
            && tier == rule.tier
        {
            return Some(format!("not reached: {by} leaves it to the next tier"));
        }
        match (rule.tier, self.rules.default_deny) {
            (Tier::Baseline, true) => {
                Some("not reached: default deny is on, and the baseline is for where it is not".to_owned())
            }
            (Tier::Default, false) => Some("not reached: default deny is off".to_owned()),
            _ => None,
        }
    }

    fn steps(&self, rule: &Rule) -> Vec<Traced> {
        let traced = |id: &RuleId, outcome, why, near| Traced {
            step: Step { tier: rule.tier, rule: id.clone(), outcome, why },
            near,
        };
        let one = |outcome, why: &str| vec![traced(&rule.id, outcome, why.to_owned(), None)];
        let would_allow = matches!(rule.action, Action::Allow | Action::Http(_));
        let (peer, port) = (rule.peers.contains(self.flow.peer), self.covers_port(rule));
        if !peer {
            let near = if port { Nearness::OnlyPort } else { Nearness::Nothing };
            let why = format!("peer {} is not selected", self.peer);
            let outcome = Outcome::Missed(Aspect::Peer);
            return vec![traced(&rule.id, outcome, why, would_allow.then_some(near))];
        }
        if !port {
            let outcome = Outcome::Missed(Aspect::Port);
            let near = would_allow.then_some(Nearness::OnlyPeer);
            return vec![traced(&rule.id, outcome, self.port_miss(rule), near)];
        }
        match (&rule.action, self.request) {
            (Action::Allow, _) => one(Outcome::Allowed, "allows"),
            (Action::Deny, _) => one(Outcome::Denied, "denies"),
            (Action::Pass, _) => one(Outcome::Passed, "leaves it to the next tier"),
            (Action::Quarantined(why), _) => one(Outcome::Quarantined, &format!("quarantined: {why}")),
            (Action::Http(_), None) => one(Outcome::Redirected, "HTTP rules decide each request"),
            (Action::Http(http), Some(_)) if http.is_empty() => {
                one(Outcome::Missed(Aspect::Method), "its list of HTTP rules is empty: it allows no request")
            }
            (Action::Http(http), Some(request)) => http
                .iter()
                .map(|http| {
                    let (outcome, why, near) = asked(http, request);
                    traced(&http.id, outcome, why, near)
                })
                .collect(),
        }
    }

    fn covers_port(&self, rule: &Rule) -> bool {
        let anyone = Rule { peers: crate::endpoint::Peers::Any, ..rule.clone() };
        anyone.covers(&self.flow)
    }

    fn port_miss(&self, rule: &Rule) -> String {
        const SHOWN: usize = 8;
        let traffic = Traffic { protocol: self.flow.protocol, port: self.flow.port };
        match &rule.ports {
            Ports::Only(ports) if ports.is_empty() => format!("{traffic} is not listed: it lists no port"),
            Ports::Only(ports) if !rule.ports.contains(self.flow.protocol, self.flow.port) => {
                let mut listed: Vec<String> = ports.iter().take(SHOWN).map(ToString::to_string).collect();
                if ports.len() > SHOWN {
                    listed.push("…".to_owned());
                }
                let what = if traffic.protocol.has_ports() { "port " } else { "" };
                format!("{what}{traffic} is not listed: it lists {}", listed.join(", "))
            }
            _ => format!("HTTP rules speak of TCP only, not {}", traffic.protocol),
        }
    }
}

fn asked(rule: &HttpRule, request: &Request<'_>) -> (Outcome, String, Option<Nearness>) {
    match &rule.matcher {
        HttpMatcher::Quarantined(why) => (Outcome::Quarantined, format!("quarantined: {why}"), None),
        HttpMatcher::Active(wanted) => match wanted.check(request) {
            Ok(()) => (Outcome::Allowed, "allows".to_owned(), None),
            Err(field) => {
                let why = describe_miss(wanted, field, Some(request));
                (Outcome::Missed(field.into()), why, Some(Nearness::Until(field)))
            }
        },
    }
}

/// Whether the rules of a tier are asked one after another, so that one that decides ends it.
fn is_ordered(tier: Tier) -> bool {
    matches!(tier, Tier::Admin | Tier::Baseline)
}

impl Step {
    /// The name of its tier.
    pub fn tier_name(&self) -> &'static str {
        match self.tier {
            Tier::Admin => "admin",
            Tier::Normal => "normal",
            Tier::Default => "default",
            Tier::Baseline => "baseline",
        }
    }
}
