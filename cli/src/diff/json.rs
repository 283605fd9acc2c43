//! The difference for machines.

use std::net::IpAddr;

use postern_policy_core::http::Text;
use postern_policy_core::path::Profile;
use postern_policy_core::policy::RuleId;
use postern_policy_diff::report::{
    Between, Change, Effect, End, PortSpan, Report, Said, Sample, Undecided, What, Witness,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    /// Whether nothing changes at all, listed or not.
    unchanged: bool,
    workloads: usize,
    pairs: usize,
    gained: usize,
    lost: usize,
    changes: Vec<ChangeJson<'a>>,
    undecided: Vec<UndecidedJson>,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    effect: &'static str,
    what: &'static str,
    more: bool,
    ports: Vec<PortsJson>,
    between: Vec<BetweenJson>,
    pairs: usize,
    witness: WitnessJson<'a>,
}

#[derive(Serialize)]
struct UndecidedJson {
    effect: &'static str,
    why: String,
    ports: Vec<PortsJson>,
    between: Vec<BetweenJson>,
    pairs: usize,
}

#[derive(Serialize)]
struct PortsJson {
    protocol: &'static str,
    first: u16,
    last: u16,
}

#[derive(Serialize)]
struct BetweenJson {
    from: Vec<EndJson>,
    to: Vec<EndJson>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum EndJson {
    Workload { name: String },
    Node { name: String },
    Outside { prefix: Option<String>, address: IpAddr },
}

#[derive(Serialize)]
struct WitnessJson<'a> {
    from: EndJson,
    to: EndJson,
    protocol: &'static str,
    port: u16,
    request: Option<RequestJson>,
    old: Vec<SaidJson<'a>>,
    new: Vec<SaidJson<'a>>,
}

#[derive(Serialize)]
struct RequestJson {
    method: String,
    path: Option<String>,
    host: Option<String>,
    headers: Vec<HeaderJson>,
}

#[derive(Serialize)]
struct HeaderJson {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct SaidJson<'a> {
    direction: String,
    passes: bool,
    /// The path profile that the request was read by.
    profile: Option<&'static str>,
    rule: Option<&'a str>,
    why: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(report: &'a Report, unchanged: bool) -> Self {
        let count = |effect| report.changes.iter().filter(|change| change.effect == effect).count();
        Self {
            unchanged,
            workloads: report.workloads,
            pairs: report.pairs,
            gained: count(Effect::Gained),
            lost: count(Effect::Lost),
            changes: report.changes.iter().map(change).collect(),
            undecided: report.undecided.iter().map(undecided).collect(),
        }
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Gained => "gained",
        Effect::Lost => "lost",
    }
}

fn change(change: &Change) -> ChangeJson<'_> {
    let (what, more) = match &change.what {
        What::Everything => ("everything", false),
        What::NotHttp => ("not-http", false),
        What::Requests { more, .. } => ("requests", *more),
    };
    ChangeJson {
        effect: effect(change.effect),
        what,
        more,
        ports: change.ports.iter().map(ports).collect(),
        between: change.between.iter().map(between).collect(),
        pairs: change.pairs,
        witness: witness(&change.witness),
    }
}

fn undecided(open: &Undecided) -> UndecidedJson {
    UndecidedJson {
        effect: effect(open.effect),
        why: open.why.to_string(),
        ports: open.ports.iter().map(ports).collect(),
        between: open.between.iter().map(between).collect(),
        pairs: open.pairs,
    }
}

fn ports(span: &PortSpan) -> PortsJson {
    PortsJson { protocol: span.protocol.as_str(), first: span.first, last: span.last }
}

fn between(between: &Between) -> BetweenJson {
    BetweenJson { from: between.from.iter().map(end).collect(), to: between.to.iter().map(end).collect() }
}

fn end(end: &End) -> EndJson {
    match end {
        End::Workload(name) => EndJson::Workload { name: name.to_string() },
        End::Node(name) => EndJson::Node { name: name.clone() },
        End::Outside { net, address } => {
            EndJson::Outside { prefix: net.map(|net| net.to_string()), address: *address }
        }
    }
}

fn witness(witness: &Witness) -> WitnessJson<'_> {
    WitnessJson {
        from: end(&witness.from),
        to: end(&witness.to),
        protocol: witness.protocol.as_str(),
        port: witness.port,
        request: witness.request.as_ref().map(request),
        old: witness.old.iter().map(said).collect(),
        new: witness.new.iter().map(said).collect(),
    }
}

/// Bytes that do not print are escaped.
fn request(sample: &Sample) -> RequestJson {
    let text = |value: &Vec<u8>| Text(value).to_string();
    RequestJson {
        method: text(&sample.method),
        path: sample.path.as_ref().map(text),
        host: sample.host.as_ref().map(text),
        headers: sample
            .headers
            .iter()
            .map(|(name, value)| HeaderJson { name: name.clone(), value: text(value) })
            .collect(),
    }
}

fn said(said: &Said) -> SaidJson<'_> {
    SaidJson {
        direction: said.direction.to_string(),
        passes: said.passes,
        profile: said.profile.map(Profile::as_str),
        rule: said.rule.as_ref().map(RuleId::as_str),
        why: &said.why,
    }
}
