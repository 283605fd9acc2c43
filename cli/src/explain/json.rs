//! The answer for machines.

use postern_policy_core::explain::{
    Explanation, Judgement, Outcome, Party, PartyKind, Paths, Reading, Side, Step,
};
use postern_policy_core::http::Text;
use postern_policy_core::policy::RuleId;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(flatten)]
    enforced: JudgementView<'a>,
    from: PartyView<'a>,
    to: PartyView<'a>,
    protocol: &'static str,
    port: u16,
    audited: Option<JudgementView<'a>>,
    unrelated_policies: usize,
}

#[derive(Serialize)]
struct JudgementView<'a> {
    verdict: String,
    layer: String,
    code: &'static str,
    reason: &'a str,
    rule: Option<&'a str>,
    nearest: Option<MissView<'a>>,
    sides: Vec<SideView<'a>>,
    /// The steps of all sides, in order.
    trace: Vec<StepView<'a>>,
}

#[derive(Serialize)]
struct PartyView<'a> {
    name: &'a str,
    kind: &'static str,
    identity: u32,
    node: Option<&'a str>,
    prefix: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SideView<'a> {
    direction: String,
    subject: String,
    default_deny: bool,
    policies: Vec<&'a str>,
    verdict: String,
    layer: String,
    code: &'static str,
    reason: &'a str,
    rule: Option<&'a str>,
    /// How the request's path was read, where it was looked at.
    paths: Option<PathsView<'a>>,
}

#[derive(Serialize)]
struct PathsView<'a> {
    profile: &'static str,
    readings: Vec<ReadingView<'a>>,
    /// Why the other readings cannot be gone through.
    unreadable: Option<String>,
}

#[derive(Serialize)]
struct ReadingView<'a> {
    path: String,
    verdict: String,
    rule: Option<&'a str>,
    reason: &'a str,
}

#[derive(Serialize)]
struct MissView<'a> {
    direction: String,
    rule: &'a str,
    field: &'static str,
    why: &'a str,
}

#[derive(Serialize)]
struct StepView<'a> {
    direction: String,
    tier: &'static str,
    rule: &'a str,
    matched: bool,
    outcome: &'static str,
    /// The first thing that did not match.
    field: Option<&'static str>,
    why: &'a str,
}

pub(super) fn answer(explanation: &Explanation) -> Answer<'_> {
    Answer {
        enforced: judgement(&explanation.enforced),
        from: party(&explanation.from),
        to: party(&explanation.to),
        protocol: explanation.traffic.protocol.as_str(),
        port: explanation.traffic.port,
        audited: explanation.audited.as_ref().map(judgement),
        unrelated_policies: explanation.unrelated,
    }
}

fn judgement(judgement: &Judgement) -> JudgementView<'_> {
    JudgementView {
        verdict: judgement.verdict.to_string(),
        layer: judgement.layer.to_string(),
        code: judgement.code,
        reason: &judgement.reason,
        rule: judgement.rule.as_ref().map(RuleId::as_str),
        nearest: judgement.nearest.as_ref().map(|miss| MissView {
            direction: miss.direction.to_string(),
            rule: miss.rule.as_str(),
            field: miss.aspect.as_str(),
            why: &miss.why,
        }),
        sides: judgement.sides.iter().map(side).collect(),
        trace: judgement.sides.iter().flat_map(steps).collect(),
    }
}

fn party(party: &Party) -> PartyView<'_> {
    let (kind, node, prefix) = match &party.kind {
        PartyKind::Workload => ("workload", None, None),
        PartyKind::Node(node) => ("node", Some(node.as_str()), None),
        PartyKind::Prefix(net) => ("prefix", None, Some(net.to_string())),
        PartyKind::World => ("world", None, None),
    };
    PartyView { name: &party.name, kind, identity: party.identity.0, node, prefix }
}

fn side(side: &Side) -> SideView<'_> {
    SideView {
        direction: side.direction.to_string(),
        subject: side.subject.to_string(),
        default_deny: side.default_deny,
        policies: side.policies.iter().map(RuleId::as_str).collect(),
        verdict: side.verdict.to_string(),
        layer: side.layer.to_string(),
        code: side.code,
        reason: &side.reason,
        rule: side.rule.as_ref().map(RuleId::as_str),
        paths: side.paths.as_ref().map(paths),
    }
}

fn paths(paths: &Paths) -> PathsView<'_> {
    fn reading(reading: &Reading) -> ReadingView<'_> {
        ReadingView {
            path: Text(&reading.path).to_string(),
            verdict: reading.verdict.to_string(),
            rule: reading.rule.as_ref().map(RuleId::as_str),
            reason: &reading.why,
        }
    }
    PathsView {
        profile: paths.profile.as_str(),
        readings: paths.readings.iter().map(reading).collect(),
        unreadable: paths.unreadable.map(|why| why.to_string()),
    }
}

fn steps(side: &Side) -> impl Iterator<Item = StepView<'_>> {
    side.trace.iter().map(|step| step_of(side, step))
}

fn step_of<'a>(side: &Side, step: &'a Step) -> StepView<'a> {
    StepView {
        direction: side.direction.to_string(),
        tier: step.tier_name(),
        rule: step.rule.as_str(),
        matched: step.outcome.matched(),
        outcome: step.outcome.as_str(),
        field: match step.outcome {
            Outcome::Missed(aspect) => Some(aspect.as_str()),
            _ => None,
        },
        why: &step.why,
    }
}
