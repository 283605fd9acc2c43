//! The figures: taken in turns, so that what else the machine does falls on all of them; medians count.

use std::time::{Duration, Instant};

use postern_host_vm::Module;
use serde_json::{Value, json};
use wasmtime::component::Component;

use crate::clock;
use crate::component;
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

/// The compiled guests.
struct Guests {
    module: Module,
    component: Module,
}

/// One rule set, in the core and through both doors to it.
struct Subject {
    set: Set,
    native: Native,
    /// Where the guest takes the bundle.
    module: Option<Guest>,
    component: Option<Guest>,
    in_core: Vec<Duration>,
    in_module: Vec<Duration>,
    in_component: Vec<Duration>,
}

impl Subject {
    fn new(set: Set, guests: &Guests) -> Self {
        let (native, samples) = (Native::new(&set), Vec::new);
        let (module, component) = (guest(&guests.module, &set), guest(&guests.component, &set));
        let (in_core, in_module, in_component) = (samples(), samples(), samples());
        Self { set, native, module, component, in_core, in_module, in_component }
    }

    fn turn(&mut self) {
        self.in_core.push(each(&self.set, |_| self.native.request()));
        let doors = [(&mut self.module, &mut self.in_module), (&mut self.component, &mut self.in_component)];
        for (guest, samples) in doors {
            if let Some(guest) = guest {
                samples.push(each(&self.set, |path| guest.request(path)));
            }
        }
    }

    fn figures(mut self, guests: &Guests) -> Vec<Value> {
        let set = &self.set;
        let large = set.rules == 10_000;
        let budget = match set.shape {
            Shape::Exact => 100.0,
            Shape::Segment => 250.0,
            Shape::Anything => 600.0,
        };
        let mut figures = vec![
            figure("decided in the core", set, "ns", median(&mut self.in_core), large.then_some(budget)),
            figure("request in the VM", set, "ns", median(&mut self.in_module), large.then_some(1_500.0)),
            figure("request in the component", set, "ns", median(&mut self.in_component), None),
        ];
        if large {
            let load = |code| {
                let mut loads: Vec<Duration> =
                    (0..3).filter_map(|_| guest(code, set)).map(|guest| guest.load).collect();
                median(&mut loads) / 1e6
            };
            figures.push(figure("bundle loaded in the VM", set, "ms", load(&guests.module), Some(300.0)));
            figures.push(figure("bundle loaded in the component", set, "ms", load(&guests.component), None));
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
    let guests = Guests { module: vm::module(), component: vm::component() };
    let mut subjects: Vec<Subject> = sets().into_iter().map(|set| Subject::new(set, &guests)).collect();
    // The first turn only warms up.
    for _ in 0..=TURNS {
        subjects.iter_mut().for_each(Subject::turn);
    }
    for subject in &mut subjects {
        for samples in [&mut subject.in_core, &mut subject.in_module, &mut subject.in_component] {
            samples.drain(..samples.len().min(1));
        }
    }
    let mut figures: Vec<Value> = subjects.into_iter().flat_map(|subject| subject.figures(&guests)).collect();
    figures.extend(counted());
    Value::Array(figures)
}

/// Only what is the same in every run.
pub(crate) fn counts() -> Value {
    Value::Array(counted())
}

fn counted() -> Vec<Value> {
    let (module, component) = (meter::module(), component::compiled());
    let of_both = |set| {
        let mut figures = metered(&module, set);
        figures.push(in_component(&component, set));
        figures
    };
    sets().iter().flat_map(of_both).collect()
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

/// What is done in the component's memory to take in the question and hand out the answer is counted too.
fn in_component(component: &Component, set: &Set) -> Value {
    let mut meter = component::Meter::new(component, set);
    for path in &set.paths {
        meter.request(path);
    }
    let fuel: u64 = set.paths.iter().map(|path| meter.request(path)).sum();
    let mean = to_float(fuel) / to_float(set.paths.len() as u64);
    figure("fuel of a request in the component, mean", set, "", mean, None)
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
