//! The figures: taken in turns, so that what else the machine does falls on all of them; medians count.

use std::time::{Duration, Instant};

use postern_host_vm::Module;
use serde_json::{Value, json};

use crate::clock;
use crate::meter::{self, Count, Meter};
use crate::native::Native;
use crate::rules::{SHAPES, Shape};
use crate::vm::{self, Guest};
use crate::world::Set;

/// How many rules there are.
pub(crate) const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const TURNS: usize = 15;
/// A turn is so many times so many requests, or what can be done in this time.
const SETS: usize = 2_048;
const SET: usize = 32;
const TIME: Duration = Duration::from_millis(20);

fn figure(what: &str, set: &Set, unit: &str, value: f64, at_most: Option<f64>) -> Value {
    let (shape, rules) = (set.shape.name(), set.rules);
    json!({"what": what, "shape": shape, "rules": rules, "unit": unit, "value": value, "at_most": at_most})
}

/// One rule set, both ways.
struct Subject {
    set: Set,
    native: Native,
    /// Where the filter takes the bundle.
    guest: Option<Guest>,
    in_core: Vec<Duration>,
    in_vm: Vec<Duration>,
}

impl Subject {
    fn new(set: Set, module: &Module) -> Self {
        let (native, guest) = (Native::new(&set), guest(module, &set));
        Self { set, native, guest, in_core: Vec::new(), in_vm: Vec::new() }
    }

    fn turn(&mut self) {
        self.in_core.push(each(&self.set, |_| self.native.request()));
        if let Some(guest) = &mut self.guest {
            self.in_vm.push(each(&self.set, |path| guest.request(path)));
        }
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
            let mut loads: Vec<Duration> =
                (0..3).filter_map(|_| guest(module, set)).map(|guest| guest.load).collect();
            figures.push(figure("bundle loaded in the VM", set, "ms", median(&mut loads) / 1e6, Some(300.0)));
        }
        figures
    }
}

fn guest(module: &Module, set: &Set) -> Option<Guest> {
    let (shape, rules) = (set.shape.name(), set.rules);
    Guest::new(module, set).inspect_err(|error| eprintln!("{shape}, {rules} rules: {error}")).ok()
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
        for samples in [&mut subject.in_core, &mut subject.in_vm] {
            samples.drain(..samples.len().min(1));
        }
    }
    let mut figures: Vec<Value> = subjects.into_iter().flat_map(|subject| subject.figures(&module)).collect();
    figures.extend(counted());
    Value::Array(figures)
}

/// Only what is the same in every run.
pub(crate) fn counts() -> Value {
    Value::Array(counted())
}

fn counted() -> Vec<Value> {
    let module = meter::module();
    sets().iter().flat_map(|set| metered(&module, set)).collect()
}

fn sets() -> Vec<Set> {
    let curve = SIZES.map(|rules| Set::new(Shape::Segment, rules));
    let others = SHAPES.into_iter().filter(|shape| *shape != Shape::Segment);
    curve.into_iter().chain(others.map(|shape| Set::new(shape, 10_000))).collect()
}

fn metered(module: &wasmtime::Module, set: &Set) -> Vec<Value> {
    let mut meter = Meter::new(module, set);
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
        figure("allocations for what the host answers", set, "", most(|count| count.allocations), None),
    ];
    if set.rules == 10_000 {
        figures.push(figure("memory of the VM", set, "MiB", memory, Some(16.0)));
    }
    figures
}

/// What each request takes of the processor; as many as there is time for.
fn each(set: &Set, mut request: impl FnMut(&str)) -> Duration {
    let (start, cpu) = (Instant::now(), clock::spent());
    let mut done = 0;
    for paths in set.paths.chunks(SET).cycle().take(SETS) {
        paths.iter().for_each(|path| request(path));
        done += u32::try_from(paths.len()).expect("they are few");
        if start.elapsed() > TIME {
            break;
        }
    }
    (clock::spent() - cpu) / done
}

/// In nanoseconds.
fn median(samples: &mut [Duration]) -> f64 {
    samples.sort();
    samples.get(samples.len() / 2).map_or(f64::NAN, Duration::as_secs_f64) * 1e9
}

fn to_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).expect("counts are small"))
}
