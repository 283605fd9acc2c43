//! The figures: taken in turns, so that what else the machine does falls on all of them; medians count.

use std::time::{Duration, Instant};

use postern_host_vm::Module;
use serde_json::{Value, json};

use crate::meter::{Count, Meter};
use crate::native::Native;
use crate::rules::{SHAPES, Shape};
use crate::vm::{self, Guest};
use crate::world::Set;

/// How many rules there are.
pub(crate) const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const TURNS: usize = 15;
const REQUESTS: usize = 2_000;

fn figure(what: &str, set: &Set, unit: &str, value: f64, at_most: Option<f64>) -> Value {
    let (shape, rules) = (set.shape.name(), set.rules);
    json!({"what": what, "shape": shape, "rules": rules, "unit": unit, "value": value, "at_most": at_most})
}

/// One rule set, both ways.
struct Subject {
    set: Set,
    native: Native,
    guest: Guest,
    in_core: Vec<Duration>,
    in_vm: Vec<Duration>,
}

impl Subject {
    fn new(set: Set, module: &Module) -> Self {
        let (native, guest) = (Native::new(&set), Guest::new(module, &set));
        Self { set, native, guest, in_core: Vec::new(), in_vm: Vec::new() }
    }

    fn turn(&mut self) {
        self.in_core.push(each(&self.set, |path| self.native.request(path)));
        self.in_vm.push(each(&self.set, |path| self.guest.request(path)));
    }

    fn figures(mut self, module: &Module) -> Vec<Value> {
        let set = &self.set;
        let large = set.rules == 10_000;
        let budget = match set.shape {
            Shape::Exact => 100.0,
            Shape::Segment => 250.0,
            Shape::Anything => 600.0,
        };
        let mut figures = vec![
            figure("decided in the core", set, "ns", median(&mut self.in_core), large.then_some(budget)),
            figure("request in the VM", set, "ns", median(&mut self.in_vm), large.then_some(1_500.0)),
        ];
        if large {
            let mut loads: Vec<Duration> = (0..3).map(|_| Guest::new(module, set).load).collect();
            figures.push(figure("bundle loaded in the VM", set, "ms", median(&mut loads) / 1e6, Some(300.0)));
        }
        figures.extend(metered(set));
        figures
    }
}

/// Everything.
pub(crate) fn all() -> Value {
    let module = vm::module();
    let mut subjects: Vec<Subject> = sets().into_iter().map(|set| Subject::new(set, &module)).collect();
    // The first turn only warms up.
    for _ in 0..=TURNS {
        subjects.iter_mut().for_each(Subject::turn);
    }
    for subject in &mut subjects {
        subject.in_core.remove(0);
        subject.in_vm.remove(0);
    }
    Value::Array(subjects.into_iter().flat_map(|subject| subject.figures(&module)).collect())
}

/// Only what is the same in every run.
pub(crate) fn counts() -> Value {
    Value::Array(sets().iter().flat_map(metered).collect())
}

fn sets() -> Vec<Set> {
    let curve = SIZES.map(|rules| Set::new(Shape::Segment, rules));
    let others = SHAPES.into_iter().filter(|shape| *shape != Shape::Segment);
    curve.into_iter().chain(others.map(|shape| Set::new(shape, 10_000))).collect()
}

fn metered(set: &Set) -> Vec<Value> {
    let mut meter = Meter::new(set);
    // What is made on first use has been made when the second pass comes.
    for path in &set.paths {
        meter.request(path);
    }
    let counts: Vec<Count> = set.paths.iter().map(|path| meter.request(path)).collect();
    let most = |of: fn(&Count) -> u64| to_float(counts.iter().map(of).max().unwrap_or_default());
    let mean = to_float(counts.iter().map(|count| count.fuel).sum()) / to_float(counts.len() as u64);
    let memory = to_float(meter.memory() as u64) / f64::from(1 << 20);
    let mut figures = vec![
        figure("fuel of a request, mean", set, "", mean, Some(15_000.0)),
        figure("fuel of a request, most", set, "", most(|count| count.fuel), None),
        figure("host crossings of a request", set, "", most(|count| count.crossings), Some(10.0)),
    ];
    if set.rules == 10_000 {
        figures.push(figure("memory of the VM", set, "MiB", memory, Some(16.0)));
    }
    figures
}

/// Nanoseconds for each request.
fn each(set: &Set, mut request: impl FnMut(&str)) -> Duration {
    let start = Instant::now();
    for path in set.paths.iter().cycle().take(REQUESTS) {
        request(path);
    }
    start.elapsed() / u32::try_from(REQUESTS).expect("they are few")
}

/// In nanoseconds.
fn median(samples: &mut [Duration]) -> f64 {
    samples.sort();
    samples.get(samples.len() / 2).map_or(f64::NAN, Duration::as_secs_f64) * 1e9
}

fn to_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("counts are small"))
}
