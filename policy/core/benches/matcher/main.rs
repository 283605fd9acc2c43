//! What a decision costs, by the number and the kind of rules. `cargo bench -p postern-policy-core --bench matcher`
//! runs it; `--output json` prints it for programs, `--rules N` measures one number, `--shape NAME` one kind.
#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "the result is what it prints")]

mod shapes;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{
    Action, Audit, DirectionPolicy, EndpointPolicy, Peers, Ports, Rule, Tier,
};
use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment, Connection, PolicySet};
use postern_policy_core::world::WorkloadName;

use shapes::Shape;

/// How many different requests are made.
const REQUESTS: usize = 2_000;
/// How often all of them are made.
const ROUNDS: usize = 11;
/// How many are timed together: so few that other work seldom comes between. The median counts.
const BATCH: usize = 20;

/// What one rule set costs.
struct Figures {
    shape: &'static str,
    rules: usize,
    /// Reading the patterns and building the set.
    build_ms: f64,
    /// What the set and its patterns take, right after.
    memory_mib: f64,
    hit_ns: f64,
    miss_ns: f64,
    /// The first request that needs an expression.
    cold_us: f64,
    /// A path of 8 KiB that names as many rules as fit, the slowest of some, each at its best of five.
    worst_us: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let sizes = match after("--rules") {
        Some(text) => vec![text.parse().expect("expected a number")],
        None => vec![1, 10, 100, 1_000, 10_000, 100_000],
    };
    let figures: Vec<Figures> = Shape::ALL
        .into_iter()
        .filter(|shape| after("--shape").is_none_or(|name| name == shape.name()))
        .flat_map(|shape| sizes.iter().map(move |rules| measure(shape, *rules)))
        .collect();
    match after("--output").map(String::as_str) {
        Some("json") => print_json(&figures),
        _ => print_table(&figures),
    }
}

fn measure(shape: Shape, rules: usize) -> Figures {
    let sources: Vec<Source> = (0..rules).map(|index| (shape.rule(index), shape.host(index))).collect();
    let before = ALLOCATED.load(Ordering::Relaxed);
    let start = Instant::now();
    let set = set(&sources);
    let build_ms = start.elapsed().as_secs_f64() * 1e3;
    let memory = ALLOCATED.load(Ordering::Relaxed).saturating_sub(before);
    // Which rule is asked for jumps about, as it would for a cache.
    let rule = |request: usize| request * 7919 % rules;
    let sent = |request: usize, path: String| (path, shape.authority(rule(request)));
    let cold: Vec<Sent> =
        (0..REQUESTS).map(|request| sent(request, shape.hit(rule(request), request))).collect();
    let mut colds: Vec<f64> = cold.iter().map(|it| time(&set, it, Verdict::Allow)).collect();
    // Warm: every expression that is asked for has been compiled, and the paths are new once more.
    let hits: Vec<Sent> =
        (0..REQUESTS).map(|request| sent(request, shape.hit(rule(request), request + REQUESTS))).collect();
    let misses: Vec<Sent> =
        (0..REQUESTS).map(|request| sent(request, shape.miss(rule(request), request))).collect();
    let worst = (0..20).map(|variant| {
        let sent = (shape.worst(rules, variant * 997), shape.worst_authority(rules));
        (0..5).map(|_| time(&set, &sent, Verdict::Redirect)).fold(f64::MAX, f64::min)
    });
    Figures {
        shape: shape.name(),
        rules,
        build_ms,
        memory_mib: to_float(memory) / 1048576.0,
        cold_us: median(&mut colds) / 1e3,
        worst_us: worst.fold(0.0, f64::max) / 1e3,
        hit_ns: rounds(&set, &hits),
        miss_ns: rounds(&set, &misses),
    }
}

/// The path and the host that a rule asks for.
type Source = (String, Option<String>);
/// Those of a request.
type Sent = (String, String);

fn rounds(set: &PolicySet, requests: &[Sent]) -> f64 {
    let connection = connection();
    let batch = |requests: &[Sent]| {
        let start = Instant::now();
        for sent in requests {
            let judged = set.request(&connection, &request(black_box(sent)));
            let _ = black_box(judged);
        }
        start.elapsed().as_secs_f64() * 1e9 / to_float(requests.len())
    };
    let mut batches: Vec<f64> = (0..ROUNDS).flat_map(|_| requests.chunks(BATCH).map(batch)).collect();
    median(&mut batches)
}

/// One request; the verdict is checked unless it does not matter.
fn time(set: &PolicySet, sent: &Sent, expected: Verdict) -> f64 {
    let connection = connection();
    let start = Instant::now();
    let judged = set.request(&connection, &request(sent));
    let took = start.elapsed().as_secs_f64() * 1e9;
    assert!(
        expected == Verdict::Redirect || judged.decision.verdict == expected,
        "{sent:?}: {:?}",
        judged.decision
    );
    took
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    *values.get(values.len() / 2).expect("there are values")
}

fn request((path, host): &Sent) -> Request<'_> {
    Request {
        method: Some(b"GET"),
        path: Some(path.as_bytes()),
        authority: Some(host.as_bytes()),
        ..Request::default()
    }
}

fn connection() -> Connection {
    Connection {
        source: SocketAddr::new(IpAddr::from([10, 0, 0, 1]), 40_000),
        destination: SocketAddr::from(([10, 0, 0, 2], 80)),
        direction: Direction::Ingress,
    }
}

fn set(sources: &[Source]) -> PolicySet {
    let method = Pattern::parse("GET").expect("a method");
    let http = |(index, (path, host)): (usize, &Source)| HttpRule {
        id: RuleId::new(format!("cnp/default/policy-{index}/ingress/0/ports/0/http/0")),
        matcher: HttpMatcher::Active(HttpMatch {
            method: Some(method.clone()),
            path: Some(Pattern::parse(path).expect("a path")),
            host: host.as_ref().map(|host| Pattern::parse(host).expect("a host")),
            ..HttpMatch::default()
        }),
    };
    let range = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 };
    let rule = Rule {
        id: RuleId::new("cnp/default/policy/ingress/0"),
        tier: Tier::Normal,
        peers: Peers::Only(std::sync::Arc::new([IdentityId(300)].into())),
        ports: Ports::Only(vec![range]),
        action: Action::Http(sources.iter().enumerate().map(http).collect()),
    };
    let name = WorkloadName { namespace: "default".to_owned(), name: "app".to_owned() };
    let endpoint = EndpointPolicy {
        name: name.clone(),
        addresses: vec![],
        ingress: DirectionPolicy {
            default_deny: true,
            rules: vec![rule.into()],
            ..DirectionPolicy::default()
        },
        egress: DirectionPolicy::default(),
        audit: Audit::default(),
    };
    let table = AddressTable::from_iter([(IpAddr::from([10, 0, 0, 1]).into(), IdentityId(300))]);
    let direction = Some(Attached::To(Direction::Ingress));
    let attachment = Attachment { direction, endpoint: Some(name), ..Attachment::default() };
    PolicySet::new(vec![endpoint], table, attachment).expect("a set")
}

fn to_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("counts are small"))
}

fn print_table(figures: &[Figures]) {
    println!("| rules | | build, ms | memory, MiB | hit, ns | miss, ns | cold, µs | worst 8 KiB, µs |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for it in figures {
        println!(
            "| {} | {} | {:.1} | {:.2} | {:.0} | {:.0} | {:.1} | {:.0} |",
            it.shape, it.rules, it.build_ms, it.memory_mib, it.hit_ns, it.miss_ns, it.cold_us, it.worst_us
        );
    }
}

fn print_json(figures: &[Figures]) {
    let row = |it: &Figures| {
        format!(
            "  {{\"shape\": \"{}\", \"rules\": {}, \"build_ms\": {:.3}, \"memory_mib\": {:.3}, \"hit_ns\": {:.1}, \"miss_ns\": {:.1}, \"cold_us\": {:.2}, \"worst_us\": {:.1}}}",
            it.shape, it.rules, it.build_ms, it.memory_mib, it.hit_ns, it.miss_ns, it.cold_us, it.worst_us
        )
    };
    println!("[\n{}\n]", figures.iter().map(row).collect::<Vec<_>>().join(",\n"));
}

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(unsafe_code, reason = "counting what is allocated takes an allocator; it hands everything on")]
// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the callee's.
        unsafe { System.dealloc(pointer, layout) }
    }
}
