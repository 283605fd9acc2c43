//! Decisions: the verdict on a connection or a request, and why.

use std::fmt;

use crate::endpoint::{Action, DirectionPolicy, Flow, Rule, Tier};
use crate::http::{Field, HttpMatch, HttpMatcher, Request, Text};
use crate::identity::UnreadablePeer;
use crate::path::{self, Profile};
use crate::policy::RuleId;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It passes.
    Allow,
    /// It does not.
    Deny,
    /// The connection passes, and each of its HTTP requests is decided on its own.
    Redirect,
}

/// Where the verdict was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// On addresses and ports.
    L3L4,
    /// On the HTTP request.
    L7,
}

/// A verdict and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision<'p> {
    /// What happens.
    pub verdict: Verdict,
    /// Where that was decided.
    pub layer: Layer,
    /// Why.
    pub reason: Reason<'p>,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason<'p> {
    /// This rule allows it.
    AllowedBy(&'p RuleId),
    /// Nothing turns default deny on for the workload in this direction.
    NotEnforced,
    /// The HTTP rules of this rule, and maybe others, will decide.
    HttpRules(&'p RuleId),
    /// No policy has been loaded yet.
    NotLoaded,
    /// There is no policy for the workload the traffic belongs to.
    UnknownEndpoint,
    /// Who sends cannot be told, for this reason.
    UnknownPeer(UnreadablePeer),
    /// No rule allows it.
    NoMatch(Option<NearMiss<'p>>),
    /// No valid rule allows it, and this one, which might have, is quarantined.
    Invalid {
        /// The rule.
        rule: &'p RuleId,
        /// Why it is quarantined.
        why: &'p str,
    },
    /// This rule denies it.
    DeniedBy(&'p RuleId),
    /// The request as sent is allowed, but servers that read its path in this way are not meant to get it.
    AmbiguousPath(Vec<u8>),
    /// The request as sent is allowed, but how servers read its path cannot be gone through, for this reason.
    UnreadablePath(String),
    /// The path has that many bytes, more than [`LONGEST_PATH`], and no rule allows it whatever its path.
    PathTooLong(usize),
    /// So many rules may match that comparing them would take too long.
    TooManyCandidates,
}

/// The HTTP rule that came closest, and the first field of it that did not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearMiss<'p> {
    /// The rule's name.
    pub rule: &'p RuleId,
    /// What the rule wants.
    pub wanted: &'p HttpMatch,
    /// What did not match.
    pub field: Field,
}

impl DirectionPolicy {
    /// Decides a connection.
    pub fn connection(&self, flow: &Flow) -> Decision<'_> {
        self.connect(&self.considered(|rule| rule.covers(flow)))
    }

    /// The rules that are asked about what `covers` tells, in their order: without those that a pass or the
    /// default deny puts out of reach. In the normal tier denials come first.
    pub(crate) fn considered(&self, covers: impl Fn(&Rule) -> bool) -> Vec<&Rule> {
        let covering = self.rules.iter().filter(|rule| covers(rule)).map(|rule| ((), &**rule));
        self.considered_of(covering).into_iter().map(|(_, rule)| rule).collect()
    }

    /// The same of some of the rules, each with what it is known by.
    pub(crate) fn considered_of<'p, T>(
        &self,
        rules: impl Iterator<Item = (T, &'p Rule)>,
    ) -> Vec<(T, &'p Rule)> {
        let mut considered = Vec::new();
        let mut left = None;
        for (known, rule) in rules {
            if !self.reaches(rule.tier) || left == Some(rule.tier) {
                continue;
            }
            match rule.action {
                Action::Pass => left = Some(rule.tier),
                _ => considered.push((known, rule)),
            }
        }
        considered.sort_by_key(|(_, rule)| rule.place());
        considered
    }

    /// Whether a tier is asked at all.
    pub(crate) fn reaches(&self, tier: Tier) -> bool {
        match tier {
            Tier::Admin | Tier::Normal => true,
            Tier::Default => self.default_deny,
            Tier::Baseline => !self.default_deny,
        }
    }

    /// Decides a connection by the rules that are considered.
    pub(crate) fn connect<'p>(&self, rules: &[&'p Rule]) -> Decision<'p> {
        let decision = |verdict, reason| Decision { verdict, layer: Layer::L3L4, reason };
        let quarantined = |rule: &&&Rule| matches!(rule.action, Action::Quarantined(_));
        let Some(first) = rules.iter().find(|rule| !quarantined(rule)) else {
            return self.unmatched(Layer::L3L4, rules.iter().find_map(|rule| quarantine(rule)), None);
        };
        // A port with HTTP rules goes to the proxy even where a plain rule allows all of it.
        let http = rules.iter().find(|rule| matches!(rule.action, Action::Http(_)));
        match (&first.action, http) {
            (Action::Deny, _) => decision(Verdict::Deny, Reason::DeniedBy(&first.id)),
            (Action::Http(_), _) => decision(Verdict::Redirect, Reason::HttpRules(&first.id)),
            (_, Some(http)) if http.tier == first.tier => {
                decision(Verdict::Redirect, Reason::HttpRules(&http.id))
            }
            _ => decision(Verdict::Allow, Reason::AllowedBy(&first.id)),
        }
    }

    /// What happens where no rule says anything.
    pub(crate) fn unmatched<'p>(
        &self,
        layer: Layer,
        invalid: Option<Reason<'p>>,
        nearest: Option<NearMiss<'p>>,
    ) -> Decision<'p> {
        match self.default_deny {
            false => Decision { verdict: Verdict::Allow, layer, reason: Reason::NotEnforced },
            true => Decision {
                verdict: Verdict::Deny,
                layer,
                reason: invalid.unwrap_or(Reason::NoMatch(nearest)),
            },
        }
    }

    /// Decides a request on a connection. It is complete: a request on a connection that the policy
    /// has come to deny since is denied here.
    ///
    /// It goes through the rules one by one. A [`PolicySet`](crate::set::PolicySet) decides the same, faster.
    pub fn request(&self, flow: &Flow, request: &Request<'_>) -> Decision<'_> {
        let rules = self.considered(|rule| rule.covers(flow));
        let connection = self.connect(&rules);
        if connection.verdict != Verdict::Redirect {
            return connection;
        }
        let profile = || self.profile(flow.protocol, flow.port);
        let mut http = |path: Option<&[u8]>| self.http(&rules, &Request { path, ..request.clone() });
        decide_paths(request.path, profile, count(&rules), &mut http)
    }

    fn http<'p>(&self, rules: &[&'p Rule], request: &Request<'_>) -> Decision<'p> {
        let decision = |verdict, reason| Decision { verdict, layer: Layer::L7, reason };
        let mut nearest: Option<NearMiss<'_>> = None;
        let mut invalid = None;
        for rule in rules {
            let http = match &rule.action {
                Action::Http(http) => http,
                Action::Allow => return decision(Verdict::Allow, Reason::AllowedBy(&rule.id)),
                Action::Deny => return decision(Verdict::Deny, Reason::DeniedBy(&rule.id)),
                Action::Quarantined(_) | Action::Pass => {
                    invalid = invalid.or(quarantine(rule));
                    continue;
                }
            };
            for rule in http.iter() {
                let wanted = match &rule.matcher {
                    HttpMatcher::Active(wanted) => wanted,
                    HttpMatcher::Quarantined(why) => {
                        invalid = invalid.or(Some(Reason::Invalid { rule: &rule.id, why }));
                        continue;
                    }
                };
                let Err(field) = wanted.check(request) else {
                    return decision(Verdict::Allow, Reason::AllowedBy(&rule.id));
                };
                // Fields are compared in their order, so the later the failure, the nearer the miss.
                if nearest.is_none_or(|nearest| nearest.field < field) {
                    nearest = Some(NearMiss { rule: &rule.id, wanted, field });
                }
            }
        }
        self.unmatched(Layer::L7, invalid, nearest)
    }
}

/// Decides a request by each reading of its path; `http` decides it by one, or without a path.
///
/// The usual path is plain and has one reading. That way is short and has no copies on it; what is not usual is
/// [`decide_readings`].
#[inline]
pub(crate) fn decide_paths<'p>(
    path: Option<&[u8]>,
    profile: impl FnOnce() -> Profile,
    rules: usize,
    http: &mut dyn FnMut(Option<&[u8]>) -> Decision<'p>,
) -> Decision<'p> {
    match path {
        Some(path) if path.len() > LONGEST_PATH => decide_too_long(path, http),
        // What is plain to the strictest is plain to each.
        Some(path) if !path::is_plain(path, Profile::Strict) => decide_readings(path, profile(), rules, http),
        _ => http(path),
    }
}

fn denied(reason: Reason<'_>) -> Decision<'_> {
    Decision { verdict: Verdict::Deny, layer: Layer::L7, reason }
}

#[cold]
fn decide_too_long<'p>(path: &[u8], http: &mut dyn FnMut(Option<&[u8]>) -> Decision<'p>) -> Decision<'p> {
    // Where a rule that has no path allows it, or one denies it, its length is all the same.
    let decision = http(None);
    match (decision.verdict, &decision.reason) {
        (Verdict::Allow, _) | (_, Reason::DeniedBy(_)) => decision,
        _ => denied(Reason::PathTooLong(path.len())),
    }
}

#[cold]
fn decide_readings<'p>(
    path: &[u8],
    profile: Profile,
    rules: usize,
    http: &mut dyn FnMut(Option<&[u8]>) -> Decision<'p>,
) -> Decision<'p> {
    let as_sent = http(Some(path));
    if as_sent.verdict != Verdict::Allow {
        return as_sent;
    }
    // Servers take the host from there: it need not be the one that the rules were asked about.
    if path::names_a_host(path, profile) && matches!(as_sent.reason, Reason::AllowedBy(_)) {
        let why = "it is in absolute form and names a host of its own: send the path alone";
        return denied(Reason::UnreadablePath(why.to_owned()));
    }
    let readings = path::readings(path, profile);
    if matches!(&readings, Ok(readings) if readings.len() == 1) {
        return as_sent;
    }
    // Where a rule that has no path allows it, how the path reads is all the same.
    if http(None).verdict == Verdict::Allow {
        return as_sent;
    }
    let readings = match readings {
        Ok(readings) => readings,
        Err(why) => return denied(Reason::UnreadablePath(why.to_string())),
    };
    if readings.len() * path.len() * rules > AMBIGUITY_BUDGET {
        let why = "going through its readings would take too long: send it in its plain form";
        return denied(Reason::UnreadablePath(why.to_owned()));
    }
    for reading in readings.into_iter().skip(1) {
        let decision = http(Some(&reading));
        match (decision.verdict, decision.reason) {
            (Verdict::Allow, _) => {}
            (_, Reason::TooManyCandidates) => return denied(Reason::TooManyCandidates),
            _ => return denied(Reason::AmbiguousPath(reading.into_owned())),
        }
    }
    as_sent
}

/// The reason of a denial for which a quarantined rule is to blame.
pub(crate) fn quarantine(rule: &Rule) -> Option<Reason<'_>> {
    match &rule.action {
        Action::Quarantined(why) => Some(Reason::Invalid { rule: &rule.id, why }),
        _ => None,
    }
}

/// The longest path that is decided by its path, in bytes.
pub const LONGEST_PATH: usize = 8 * 1024;
/// The most bytes times rules that the readings of one path may cost where rules are gone through one by one.
const AMBIGUITY_BUDGET: usize = 8 << 20;

fn count(rules: &[&Rule]) -> usize {
    let http = |rule: &&Rule| match &rule.action {
        Action::Http(http) => http.len(),
        _ => 1,
    };
    rules.iter().map(http).sum()
}

impl<'p> Decision<'p> {
    /// A denial that no policy was consulted for.
    pub fn closed(reason: Reason<'p>) -> Self {
        Self { verdict: Verdict::Deny, layer: Layer::L3L4, reason }
    }

    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&'p RuleId> {
        match &self.reason {
            Reason::AllowedBy(rule) | Reason::DeniedBy(rule) | Reason::HttpRules(rule) => Some(rule),
            Reason::Invalid { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// The reason in words, with the values of the request that it speaks of.
    pub fn describe(&self, request: Option<&Request<'_>>) -> String {
        match &self.reason {
            Reason::AllowedBy(rule) => format!("allowed by {rule}"),
            Reason::NotEnforced => "allowed: no policy sets default deny here".to_owned(),
            Reason::HttpRules(rule) => format!("HTTP rules decide each request: {rule}"),
            Reason::NotLoaded => "not loaded: no policy has been loaded yet".to_owned(),
            Reason::UnknownEndpoint => {
                "no policy for this connection: its workload is not in the bundle, or it has no IP address"
                    .to_owned()
            }
            Reason::UnknownPeer(why) => format!("who sends cannot be told: {why}"),
            Reason::NoMatch(None) => "no rule matches, and default deny is on".to_owned(),
            Reason::NoMatch(Some(miss)) => format!("no rule matches; nearest: {}", miss.describe(request)),
            Reason::Invalid { rule, why } => format!("rule {rule} is quarantined: {why}"),
            Reason::DeniedBy(rule) => format!("denied by {rule}"),
            Reason::AmbiguousPath(reading) => {
                format!("ambiguous path: servers may read it as {}, which no rule allows", Text(reading))
            }
            Reason::UnreadablePath(why) => format!("ambiguous path: {why}"),
            Reason::PathTooLong(length) => {
                format!("path too long: it has {length} bytes, {LONGEST_PATH} are allowed")
            }
            Reason::TooManyCandidates => {
                "too many candidates: the rules that may match are too many to compare".to_owned()
            }
        }
    }
}

impl Reason<'_> {
    /// The reason's stable name, for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AllowedBy(_) => "allowed-by-rule",
            Self::NotEnforced => "not-enforced",
            Self::HttpRules(_) => "http-rules",
            Self::NotLoaded => "not-loaded",
            Self::UnknownEndpoint => "unknown-endpoint",
            Self::UnknownPeer(_) => "unknown-peer",
            Self::NoMatch(_) => "no-match",
            Self::Invalid { .. } => "invalid",
            Self::DeniedBy(_) => "denied-by-rule",
            Self::AmbiguousPath(_) | Self::UnreadablePath(_) => "ambiguous-path",
            Self::PathTooLong(_) => "path-too-long",
            Self::TooManyCandidates => "too-many-candidates",
        }
    }
}

impl NearMiss<'_> {
    /// `rule …: path /private does not match /public`.
    pub fn describe(&self, request: Option<&Request<'_>>) -> String {
        format!("rule {}: {}", self.rule, describe_miss(self.wanted, self.field, request))
    }
}

/// Says which field of `wanted` did not match, and with what.
pub(crate) fn describe_miss(wanted: &HttpMatch, field: Field, request: Option<&Request<'_>>) -> String {
    let compare = |name: &str, value: Option<&[u8]>, pattern: &Option<crate::pattern::Pattern>| {
        let pattern = pattern.as_ref().map_or("", |pattern| pattern.as_str());
        match value {
            Some(value) => format!("{name} {} does not match {pattern}", Text(value)),
            None => format!("the request has no {name}, the rule wants {pattern}"),
        }
    };
    match field {
        Field::Method => compare("method", request.and_then(|request| request.method), &wanted.method),
        Field::Path => compare("path", request.and_then(|request| request.path), &wanted.path),
        Field::Host => compare("host", request.and_then(|request| request.authority), &wanted.host),
        Field::Header(index) => match wanted.headers.get(index) {
            Some(header) => format!("no header matches {header}, or not every one of that name"),
            None => "a header does not match".to_owned(),
        },
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Redirect => "redirect",
        })
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L3L4 => "L3L4",
            Self::L7 => "L7",
        })
    }
}
