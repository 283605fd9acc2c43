//! The difference for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use postern_policy_core::http::Text;
use postern_policy_core::port::Protocol;
use postern_policy_diff::report::{
    Between, Change, Effect, End, PortSpan, Report, Said, Sample, What, Witness, whole,
};

use crate::output::Style;

/// How many are named one by one; the rest is counted, and `-o json` names all.
const MOST: usize = 4;

pub(super) fn human(report: &Report, only: Option<&str>) -> String {
    let style = Style::of(&std::io::stdout());
    let mut text = String::new();
    for change in &report.changes {
        let head = format!("{}: {}", ports(&change.ports), what(&change.what));
        text += &entry(&sign(change.effect, style), &change.between, change.pairs, &head);
        text += &reasons(change, style);
    }
    for open in &report.undecided {
        let ways = match open.effect {
            Effect::Gained => "may be gained",
            Effect::Lost => "may be lost",
        };
        let head = format!("{}: undecided, something {ways}", ports(&open.ports));
        text += &entry(&style.yellow("?"), &open.between, open.pairs, &head);
        let _ = writeln!(text, "    {}", style.dim(&open.why.to_string()));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text + &summary(report, only, style)
}

fn sign(effect: Effect, style: Style) -> String {
    match effect {
        Effect::Gained => style.green("+"),
        Effect::Lost => style.red("-"),
    }
}

fn entry(sign: &str, between: &[Between], pairs: usize, head: &str) -> String {
    if let [only] = between {
        return format!("{sign} {}  {head}\n", arrow(only));
    }
    let mut text = format!("{sign} {}  {head}\n", counted(pairs, "pair", "pairs"));
    for between in between.iter().take(MOST * 2) {
        let _ = writeln!(text, "    {}", arrow(between));
    }
    if let Some(more) = between.len().checked_sub(MOST * 2).filter(|more| *more > 0) {
        let _ = writeln!(text, "    … and {more} more rows like these: -o json has all");
    }
    text
}

fn arrow(between: &Between) -> String {
    format!("{} → {}", ends(&between.from), ends(&between.to))
}

/// A few by name; many by their number and namespaces.
fn ends(ends: &[End]) -> String {
    if ends.len() <= MOST {
        return ends.iter().map(End::to_string).collect::<Vec<String>>().join(", ");
    }
    let workloads: Vec<_> = ends
        .iter()
        .filter_map(|end| match end {
            End::Workload(name) => Some(name),
            _ => None,
        })
        .collect();
    let namespaces: BTreeSet<&str> = workloads.iter().map(|name| name.namespace.as_str()).collect();
    let nodes = ends.iter().filter(|end| matches!(end, End::Node(_))).count();
    let outside = ends.len() - workloads.len() - nodes;
    let mut parts = Vec::new();
    if let (Some(first), false) = (namespaces.first(), workloads.is_empty()) {
        let workloads = counted(workloads.len(), "workload", "workloads");
        parts.push(match namespaces.len() {
            1 => format!("{workloads} of namespace {first}"),
            many => format!("{workloads} of {many} namespaces"),
        });
    }
    if nodes > 0 {
        parts.push(counted(nodes, "node", "nodes"));
    }
    if outside > 0 {
        parts.push(counted(outside, "range of addresses outside", "ranges of addresses outside"));
    }
    parts.join(", ")
}

fn ports(spans: &[PortSpan]) -> String {
    if Protocol::EVERY.into_iter().all(|protocol| spans.contains(&whole(protocol))) {
        return "every port and protocol".to_owned();
    }
    let most = MOST * 3;
    let mut text = spans.iter().take(most).map(PortSpan::to_string).collect::<Vec<String>>().join(", ");
    if let Some(more) = spans.len().checked_sub(most).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more ranges");
    }
    text
}

fn what(what: &What) -> String {
    match what {
        What::Everything => "everything".to_owned(),
        What::NotHttp => "what is not HTTP".to_owned(),
        What::Requests { sample, more: false } => request(sample),
        What::Requests { sample, more: true } => {
            format!("{} (one of many kinds of requests)", request(sample))
        }
    }
}

fn request(sample: &Sample) -> String {
    let mut text = Text(&sample.method).to_string();
    match &sample.path {
        Some(path) => text += &format!(" {}", Text(path)),
        None => text += " without a path",
    }
    if let Some(host) = &sample.host {
        let _ = write!(text, ", host {}", Text(host));
    }
    for (name, value) in &sample.headers {
        let _ = write!(text, ", {name}: {}", Text(value));
    }
    text
}

/// What each end whose answer changes said, and says.
fn reasons(change: &Change, style: Style) -> String {
    let Witness { from, to, protocol, port, .. } = &change.witness;
    let mut text = String::new();
    if change.pairs > 1 {
        let request = change.witness.request.as_ref().map(|sample| format!(" {}", request(sample)));
        let request = request.unwrap_or_default();
        let line = format!("such as {} → {}  {protocol} {port}{request}", address(from), address(to));
        let _ = writeln!(text, "    {}", style.dim(&line));
    }
    for (old, new) in change.witness.old.iter().zip(&change.witness.new) {
        if old.passes != new.passes {
            let read = |said: &Said| match said.profile.filter(|_| old.profile != new.profile) {
                Some(profile) => format!(", paths read as {profile}"),
                None => String::new(),
            };
            let line =
                |when: &str, said: &Said| format!("{when} {}{}: {}", said.direction, read(said), said.why);
            let _ = writeln!(text, "    {}", style.dim(&line("was", old)));
            let _ = writeln!(text, "    {}", style.dim(&line("now", new)));
        }
    }
    text
}

fn address(end: &End) -> String {
    match end {
        End::Outside { address, .. } => address.to_string(),
        end => end.to_string(),
    }
}

fn summary(report: &Report, only: Option<&str>, style: Style) -> String {
    let count = |effect| report.changes.iter().filter(|change| change.effect == effect).count();
    let compared = format!(
        "{}, {}, every port and protocol compared",
        counted(report.workloads, "workload", "workloads"),
        counted(report.pairs, "pair", "pairs"),
    );
    if report.is_unchanged() {
        let nothing = match only {
            Some(way) => format!("nothing is {way}"),
            None => "no change".to_owned(),
        };
        return format!("{}: {compared}\n", style.green(&nothing));
    }
    let (gained, lost) = (count(Effect::Gained), count(Effect::Lost));
    let mut parts = Vec::new();
    if only != Some("lost") {
        parts.push(format!("{gained} gained"));
    }
    if only != Some("gained") {
        parts.push(format!("{lost} lost"));
    }
    if !report.undecided.is_empty() {
        parts.push(format!("{} undecided", report.undecided.len()));
    }
    format!("{}: {compared}\n", style.bold(&parts.join(", ")))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
