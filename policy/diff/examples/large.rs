//! How long a comparison takes: policies and workloads by number, one policy of them edited.
//!
//! `cargo run --release -p postern-policy-diff --example large -- 200 200`
#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool that is run by hand")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::labels::LabelKey;
use postern_policy_core::pattern::Pattern;
use postern_policy_core::peer::PeerTerm;
use postern_policy_core::policy::{
    Combination, Effect, Item, Mode, PeerSelector, Policy, PortRule, PortSelector, RuleId, Section, Subject,
};
use postern_policy_core::port::{PortRange, PortSpec, Protocol, ProtocolMatch};
use postern_policy_core::selector::{Requirement, Selector};
use postern_policy_core::world::{Workload, WorkloadName, World};
use postern_policy_diff::{Side, diff};

fn selector(key: &str, value: usize) -> Selector {
    Selector { requirements: vec![Requirement::equals(LabelKey::parse(key), value.to_string())] }
}

fn http(path: &str) -> HttpRule {
    let path = Some(Pattern::parse(path).unwrap());
    let wanted = HttpMatch { path, ..HttpMatch::default() };
    HttpRule { id: RuleId::new("h"), matcher: HttpMatcher::Active(wanted) }
}

/// Each workload takes HTTP from some others on a port of its own, and plain TCP from everyone in its tenth.
fn policy(number: usize, workloads: usize, edited: bool) -> Policy {
    let id = RuleId::new(format!("p{number}"));
    let port = u16::try_from(8000 + number % 100).unwrap();
    let tcp = |first, last| {
        PortSpec::Numbers(PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first, last })
    };
    let rule = |ports, http| PortRule { id: id.clone(), ports: vec![ports], http, unenforced: None };
    let paths: Arc<[HttpRule]> = (0..8)
        .map(|path| {
            http(&format!("/v{path}/items/[0-9]+{}", if edited && path == 3 { "(/.*)?" } else { "" }))
        })
        .collect();
    let item = |peers, rule| Item {
        id: id.clone(),
        effect: Effect::Allow,
        peers: PeerSelector::AnyOf(vec![PeerTerm::Endpoints(peers)]),
        ports: PortSelector::AnyOf(vec![rule]),
        unenforced: None,
    };
    let items = vec![
        item(selector("app", (number * 7) % workloads), rule(tcp(port, port), Some(paths))),
        item(selector("tenth", number % 10), rule(tcp(9000, 9100), None)),
    ];
    Policy {
        id: id.clone(),
        subject: Subject::Endpoints(selector("app", number % workloads)),
        combination: Combination::Union,
        mode: Mode::Enforced,
        ingress: Section { default_deny: true, items },
        egress: Section::default(),
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let [policies, workloads] = numbers.as_slice() else {
        panic!("give the numbers of policies and workloads")
    };
    let mut world = World::default();
    for number in 0..*workloads {
        let label = |key: &str, value: usize| (key.to_owned(), value.to_string());
        let address = format!("10.{}.{}.1", number / 256, number % 256).parse().unwrap();
        let workload = Workload {
            name: WorkloadName::parse(&format!("ns{}/w{number}", number % 10)),
            labels: BTreeMap::from([label("app", number), label("tenth", number % 10)]),
            addresses: vec![address],
            node: None,
            service_account: None,
            cluster: None,
            ports: Vec::new(),
            profiles: Vec::new(),
        };
        world.add_workload(workload).unwrap();
    }
    let set = |edited: Range<usize>| -> Vec<Policy> {
        (0..*policies).map(|number| policy(number, *workloads, edited.contains(&number))).collect()
    };
    for (name, edited) in
        [("one policy edited", 5..6), ("every policy edited", 0..*policies), ("nothing edited", 0..0)]
    {
        let (old, new) = (set(0..0), set(edited));
        let started = Instant::now();
        let report =
            diff(Side { policies: &old, world: &world }, Side { policies: &new, world: &world }).unwrap();
        println!(
            "{name}: {:?}, {} changes, {} undecided, {} pairs",
            started.elapsed(),
            report.changes.len(),
            report.undecided.len(),
            report.pairs
        );
    }
}
