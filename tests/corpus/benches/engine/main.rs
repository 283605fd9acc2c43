//! What the engine costs: decisions, and whole requests in the VM. `cargo xtask bench engine` runs it, and
//! `cargo xtask instructions` by `--repeat` under callgrind.
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "the result is what it prints")]

mod clock;
mod component;
mod figures;
mod meter;
mod native;
mod rules;
mod updates;
mod vm;
mod world;

use std::path::Path;

use rules::Shape;
use world::Set;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).map(String::as_str)
    };
    if let Some(folder) = after("--write") {
        write(Path::new(folder));
    } else if let Some(what) = after("--repeat") {
        let number = |name| after(name).and_then(|text| text.parse().ok()).expect("expected a number");
        let shape = rules::SHAPES.into_iter().find(|shape| Some(shape.name()) == after("--shape"));
        let set = Set::new(shape.expect("expected a shape"), number("--rules"));
        repeat(what, &set, number("--times"));
    } else if arguments.iter().any(|argument| argument == "--counts") {
        println!("{}", figures::counts());
    } else {
        println!("{}", figures::all());
    }
}

/// What Envoy and the proxy are measured with: the module, policies and bundles, the expressions in them, a path that
/// the middle one of them allows.
fn write(folder: &Path) {
    let shape = Shape::Segment;
    let put =
        |name: String, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("it can be written");
    put("postern.wasm".to_owned(), postern_filter_module::FILTER_WASM);
    for rules in figures::SIZES {
        let expressions: Vec<String> = (0..rules).map(|rule| shape.expression(rule)).collect();
        put(format!("policy-{rules}.yaml"), rules::policy(shape, rules).as_bytes());
        put(format!("bundle-{rules}.json"), &Set::new(shape, rules).bundle);
        put(format!("expressions-{rules}.txt"), expressions.join("\n").as_bytes());
        put(format!("path-{rules}.txt"), shape.path(rules / 2).as_bytes());
    }
}

/// Does one thing so many times, for whoever counts instructions from outside.
fn repeat(what: &str, set: &Set, times: usize) {
    let paths = set.paths.iter().cycle().take(times);
    match what {
        "decide" => {
            let mut native = native::Native::new(set);
            paths.for_each(|_| native.request());
        }
        "request" => {
            let mut guest = vm::Guest::new(&vm::module(), set).expect("the filter takes the bundle");
            paths.for_each(|path| guest.request(path));
        }
        "component" => {
            let mut guest = vm::Guest::new(&vm::component(), set).expect("the component takes the bundle");
            paths.for_each(|path| guest.request(path));
        }
        "load" => {
            let module = vm::module();
            for _ in 0..times {
                vm::Guest::new(&module, set).expect("the filter takes the bundle");
            }
        }
        "update" | "update-all" => {
            let mut updates = updates::Updates::new(set, what == "update-all", times);
            (0..times).for_each(|_| updates.update());
        }
        other => panic!("expected decide, request, component, load, update or update-all, not {other}"),
    }
}
