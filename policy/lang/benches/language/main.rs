//! What the language costs: reading and resolving everything, and a change. `cargo xtask bench language` runs it.
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "the result is what it prints")]

mod documents;

use std::time::{Duration, Instant};

use postern_policy_core::policy::RuleId;
use postern_policy_core::resolver::{Numbering, Resolver};
use postern_policy_core::world::WorkloadName;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

/// How often a change is made.
const CHANGES: usize = 200;

/// One figure.
struct Figure {
    what: &'static str,
    unit: &'static str,
    value: f64,
    /// What is promised, where something is.
    at_most: Option<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let number = |name: &str, default: usize| {
        after(name).map_or(default, |text| text.parse().expect("expected a number"))
    };
    let figures = measure(number("--policies", 10_000), number("--workloads", 1_000));
    match after("--output").map(String::as_str) {
        Some("json") => print_json(&figures),
        _ => print_table(&figures),
    }
}

fn measure(policies: usize, workloads: usize) -> Vec<Figure> {
    let documents = documents::documents(policies, workloads);
    let size = documents.inventory.text.len() + documents.policies.iter().map(|file| file.text.len()).sum::<usize>();

    let start = Instant::now();
    let inventory = load_inventory(std::slice::from_ref(&documents.inventory));
    let loaded = load_policies(&documents.policies);
    let read = start.elapsed();
    assert!(!inventory.has_errors(), "{:?}", inventory.diagnostics.first());
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
    assert_eq!(loaded.policies.len(), policies, "policies");

    let start = Instant::now();
    let mut resolver = Resolver::new(Numbering::Own);
    resolver.set_world(&inventory.world);
    for policy in loaded.policies {
        resolver.set_policies(&policy.id.clone(), vec![policy]);
    }
    let names = resolver.take_changed();
    assert_eq!(names.len(), workloads, "workloads");
    let endpoints: Vec<_> = names.iter().filter_map(|name| resolver.endpoint(name)).collect();
    let resolved = start.elapsed();
    let peak = peak_memory();
    let rules = endpoints.iter().map(|it| it.ingress.rules.len() + it.egress.rules.len()).sum::<usize>();
    drop(endpoints);

    let ms = |what, duration: Duration, at_most| Figure {
        what,
        unit: "ms",
        value: duration.as_secs_f64() * 1e3,
        at_most,
    };
    let count = |what, count: usize| Figure { what, unit: "", value: to_float(count), at_most: None };
    let mut figures = vec![
        count("policies", policies),
        count("workloads", workloads),
        count("rules of all workloads", rules),
        Figure { what: "text", unit: "MiB", value: to_float(size) / 1048576.0, at_most: None },
        ms("reading", read, None),
        ms("resolving everything", resolved, None),
        ms("both", read + resolved, Some(5_000.0)),
        Figure { what: "most memory", unit: "MiB", value: peak / 1024.0, at_most: Some(600.0) },
    ];

    let mut add = |what, fresh, at_most: Option<f64>| {
        let mut samples: Vec<Sample> = (0..CHANGES).map(|index| add_one(&mut resolver, index, fresh)).collect();
        samples.sort();
        let median = samples.get(CHANGES / 2).expect("there are samples").took;
        let most = samples.last().expect("there are samples");
        figures.push(ms(what, median, at_most));
        let (what, touched) = match fresh {
            false => ("the slowest of these", "endpoints resolved for it"),
            true => ("the slowest of those", "endpoints resolved for that"),
        };
        figures.push(ms(what, most.took, None));
        figures.push(count(touched, most.endpoints));
    };
    add("a workload added, its labels known", false, Some(5.0));
    add("a workload added, its labels new", true, Some(5.0));
    let mut samples: Vec<Duration> = (0..CHANGES).map(|index| change_one(&mut resolver, index)).collect();
    samples.sort();
    figures.push(ms("a policy changed", *samples.get(CHANGES / 2).expect("there are samples"), None));
    figures
}

/// What one change took, with everything resolved that it matters to.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    took: Duration,
    endpoints: usize,
}

fn add_one(resolver: &mut Resolver, index: usize, fresh: bool) -> Sample {
    let text = documents::one_more(index, fresh);
    let inventory = load_inventory(&[SourceFile { name: "more.yaml".to_owned(), text }]);
    let workload = inventory.world.workloads().next().expect("there is one").clone();
    let name = workload.name.clone();
    let start = Instant::now();
    resolver.set_workload(workload);
    let endpoints = resolve_changed(resolver);
    let took = start.elapsed();
    resolver.remove_workload(&name);
    resolver.take_changed();
    Sample { took, endpoints }
}

fn change_one(resolver: &mut Resolver, index: usize) -> Duration {
    let text = documents::changed(index);
    let start = Instant::now();
    let loaded = load_policies(&[SourceFile { name: "changed.yaml".to_owned(), text }]);
    for policy in loaded.policies {
        resolver.set_policies(&RuleId::new(policy.id.as_str()), vec![policy]);
    }
    resolve_changed(resolver);
    start.elapsed()
}

fn resolve_changed(resolver: &mut Resolver) -> usize {
    let changed: Vec<WorkloadName> = resolver.take_changed().into_iter().collect();
    changed.iter().filter_map(|name| resolver.endpoint(name)).count()
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

fn to_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("counts are small"))
}

fn print_table(figures: &[Figure]) {
    println!("| what | figure | at most |");
    println!("|---|---|---|");
    for figure in figures {
        let digits = usize::from(figure.unit != "") + usize::from(figure.value < 10.0 && figure.unit != "");
        let promise = figure.at_most.map(|most| format!("{most} {}", figure.unit)).unwrap_or_default();
        println!("| {} | {:.digits$} {} | {promise} |", figure.what, figure.value, figure.unit);
    }
}

fn print_json(figures: &[Figure]) {
    let row = |figure: &Figure| {
        let most = figure.at_most.map_or("null".to_owned(), |most| most.to_string());
        let (what, unit, value) = (figure.what, figure.unit, figure.value);
        format!("  {{\"what\": \"{what}\", \"unit\": \"{unit}\", \"value\": {value:.3}, \"at_most\": {most}}}")
    };
    println!("[\n{}\n]", figures.iter().map(row).collect::<Vec<_>>().join(",\n"));
}
