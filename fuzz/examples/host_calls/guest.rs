//! The guest's text, put together.

use std::fmt::Write as _;

use crate::functions::{ENV, Function, WASI};

const TEXT: &str = include_str!("guest.wat");

/// What can be done beside calling the host, in the order of their numbers: 0 stops.
const OWN: [&str; 10] =
    ["stop", "set_mode", "poke", "fill", "grow", "jump", "leave", "trap", "hang", "overflow"];

/// What arguments are, by one byte.
const VALUES: [u32; 64] = [
    // Kinds, and sizes of what is small.
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    11,
    12,
    14,
    16,
    24,
    31,
    // Where replies go, and what they point at.
    0,
    4,
    8,
    12,
    252,
    256,
    264,
    280,
    288,
    300,
    316,
    332,
    352,
    376,
    8192,
    32_768,
    // The edge of memory, and beyond it.
    131_071,
    131_072,
    131_068,
    131_064,
    65_535,
    65_536,
    262_144,
    1_048_576,
    // Not at all.
    u32::MAX,
    u32::MAX - 3,
    u32::MAX - 15,
    i32::MAX as u32,
    1 << 31,
    (1 << 31) - 8,
    0x00ff_ffff,
    0xffff_0000,
    // Statuses of answers, gRPC's, a version.
    200,
    199,
    403,
    599,
    600,
    65_536 + 200,
    100,
    101,
    // A map of so many headers of nothing has so many bytes; that is more than a header map can hold.
    26_000,
    4 + 26_000 * 10,
    33_000,
    4 + 33_000 * 10,
    13_000,
    4 + 13_000 * 10,
    8 << 10,
    64,
];

/// The whole text.
pub(crate) fn text() -> String {
    let (mut imports, mut functions, mut names) = (String::new(), String::new(), Vec::new());
    names.extend(OWN.map(|name| format!("${name}")));
    for (module, check, list) in [("env", "status", &ENV[..]), ("wasi_snapshot_preview1", "errno", &WASI)] {
        for function in list {
            let (name, _) = function;
            let types = parameters(function, |kind| format!(" {kind}"));
            // Writing into a string does not fail.
            let _ =
                writeln!(imports, "(import {module:?} {name:?} (func ${name} (param{types}) (result i32)))");
            let arguments = parameters(function, |kind| match kind {
                "i64" => " (i64.extend_i32_s (call $arg))".to_owned(),
                _ => " (call $arg)".to_owned(),
            });
            let call = format!("(call ${check} (call ${name}{arguments}))");
            let _ = writeln!(functions, "(func $do_{name} (result i32) {call} (i32.const 1))");
            names.push(format!("$do_{name}"));
        }
    }
    let _ = writeln!(functions, "(table funcref (elem {}))", names.join(" "));
    let table: String =
        VALUES.iter().flat_map(|value| value.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect();
    let text = TEXT.replace("COUNT", &names.len().to_string());
    let text = text.replacen("\"TABLE\"", &format!("\"{table}\""), 1);
    // The comment that names them comes first.
    text.replace("\n  IMPORTS\n", &format!("\n{imports}"))
        .replace("\n  FUNCTIONS\n", &format!("\n{functions}"))
}

fn parameters(function: &Function, each: impl Fn(&str) -> String) -> String {
    function.1.chars().map(|kind| each(if kind == 'l' { "i64" } else { "i32" })).collect()
}
