//! Envoy with one filter or another, and our proxy, each in front of the same server and under the same load.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::envoy::{self, Way};
use super::variants;
use crate::bench::load::Load;
use crate::bench::subject::{Ground, Subject, free};

/// How many rules there are.
pub(super) const SIZES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
const MOST: u32 = 10_000;
/// The root ids of the module's two plugins.
pub(super) const HTTP: &str = "postern.http";
const CONNECTION: &str = "postern.connection";
const TURN: Duration = Duration::from_secs(1);
/// How often everything is started anew.
const ROUNDS: u8 = 3;
/// The same where the differences are small.
const ROUNDS_OF_PARTS: u8 = 8;
const TURNS_OF_PARTS: u8 = 2;
/// A module of two pages of memory, an allocator that always answers the same address, and the mark of the ABI.
const EMPTY: &[u8] =
    b"\0asm\x01\0\0\0\x01\x09\x02\x60\x01\x7f\x01\x7f\x60\0\0\x03\x03\x02\0\x01\x05\x03\x01\0\x02\
    \x07\x3f\x03\x06memory\x02\0\x18proxy_on_memory_allocate\0\0\x17proxy_abi_version_0_2_1\0\x01\
    \x0a\x0a\x02\x05\0\x41\x80\x08\x0b\x02\0\x0b";
/// How many characters of a refusal are shown.
const REASON: usize = 120;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Envoy without any filter: what the others in Envoy are held against.
    Bare,
    /// A module without callbacks: what Envoy does for any filter of this kind.
    Empty,
    /// A filter on the SDK that does nothing, and exports every callback.
    Noop,
    /// A filter that asks for what a decision needs, and decides nothing.
    Asks,
    /// Ours, deciding requests.
    Ours,
    /// The same, where no rule names its peers.
    OursAnybody,
    /// The same, where `x-forwarded-for` tells who sends.
    OursForwarded,
    /// Ours, deciding connections and requests.
    OursBoth,
    /// RBAC with a policy for each expression.
    RbacApart,
    /// RBAC with one expression of alternatives.
    RbacTogether,
    /// nginx without policy.
    Nginx,
    /// Our proxy.
    Proxy,
}

/// What one subject took, or why it took nothing.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) kind: Kind,
    pub(super) rules: u32,
    /// CPU time for each request in microseconds, a value a turn.
    pub(super) micros: Vec<f64>,
    /// Resident memory after the last turn, in KiB.
    pub(super) memory: u64,
    pub(super) failure: Option<String>,
}

/// What they are made of.
pub(super) struct Made<'m> {
    pub(super) envoy: &'m Path,
    pub(super) noop: &'m Path,
    pub(super) asks: &'m Path,
    /// Where there is none, our proxy is left out.
    pub(super) postern: Option<&'m Path>,
    /// The folder with the module, the rule sets, and the paths that they allow.
    pub(super) sets: &'m Path,
}

/// What is measured in one round.
type Row = (Option<Subject>, Measured);

/// From one rule to the most, beside their peers.
pub(super) fn curves(made: &Made<'_>, turns: u8) -> Result<Vec<Measured>> {
    measure(made, ROUNDS, turns.div_ceil(ROUNDS), start_curves)
}

/// What a request takes in Envoy, apart: so often that what belongs to one process evens out.
pub(super) fn parts(made: &Made<'_>) -> Result<Vec<Measured>> {
    measure(made, ROUNDS_OF_PARTS, TURNS_OF_PARTS, start_parts)
}

/// The turns of all rounds. Each round has processes of its own: where things lie in the memory of one makes as much of a
/// difference as what is measured, and stays as it is while the process lives.
fn measure(
    made: &Made<'_>,
    rounds: u8,
    turns: u8,
    start: impl Fn(&Made<'_>, &Ground) -> Result<Vec<Row>>,
) -> Result<Vec<Measured>> {
    let mut rows: Vec<Measured> = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}: starting everything");
        let ground = Ground::prepare(made.postern.unwrap_or(Path::new("postern")), made.envoy)?;
        let more = take_turns(start(made, &ground)?, turns)?;
        if rows.is_empty() {
            rows = more;
            continue;
        }
        for (row, more) in rows.iter_mut().zip(more) {
            row.micros.extend(more.micros);
            row.memory = row.memory.max(more.memory);
            row.failure = row.failure.take().or(more.failure);
        }
    }
    Ok(rows)
}

fn start_curves(made: &Made<'_>, ground: &Ground) -> Result<Vec<Row>> {
    let row = |kind, rules, subject| row(made, kind, rules, subject);
    let mut rows = start_filters(made, ground, 1)?;
    for rules in SIZES {
        let bundle = made.text(&format!("bundle-{rules}.json"))?;
        let http = made.module("http", HTTP, &bundle);
        rows.push(row(Kind::Ours, rules, start(ground, "Envoy, our filter", None, Some(http.clone())))?);
        if rules == MOST {
            let network = made.module("network", CONNECTION, &bundle);
            let both = start(ground, "Envoy, both our filters", Some(network), Some(http));
            rows.push(row(Kind::OursBoth, rules, both)?);
        }
        let expressions = made.text(&format!("expressions-{rules}.txt"))?;
        for (kind, way) in [(Kind::RbacApart, Way::Apart), (Kind::RbacTogether, Way::Together)] {
            let rbac = start(ground, "Envoy, RBAC", None, Some(envoy::rbac(&expressions, way)));
            rows.push(row(kind, rules, rbac)?);
        }
    }
    rows.push(row(Kind::Nginx, MOST, ground.nginx())?);
    if made.postern.is_some() {
        let policy = made.sets.join(format!("policy-{MOST}.yaml"));
        rows.push(row(Kind::Proxy, MOST, ground.proxy("our proxy", &policy))?);
    }
    Ok(rows)
}

/// Envoy without any filter, and with those that have no rules.
fn start_filters(made: &Made<'_>, ground: &Ground, rules: u32) -> Result<Vec<Row>> {
    let empty = ground.dir.path().join("empty.wasm");
    fs::write(&empty, EMPTY).context("cannot write a module")?;
    let bare = row(made, Kind::Bare, rules, start(ground, "Envoy, no filter", None, None))?;
    let modules = [
        (Kind::Empty, "empty", empty.as_path()),
        (Kind::Noop, "noop", made.noop),
        (Kind::Asks, "asks", made.asks),
    ];
    let modules = modules.map(|(kind, name, module)| {
        let filter = envoy::wasm("http", name, module, "");
        row(made, kind, rules, start(ground, &format!("Envoy, {name}"), None, Some(filter)))
    });
    [Ok(bare)].into_iter().chain(modules).collect()
}

fn start_parts(made: &Made<'_>, ground: &Ground) -> Result<Vec<Row>> {
    let mut rows = start_filters(made, ground, MOST)?;
    let bundle = made.text(&format!("bundle-{MOST}.json"))?;
    let variants = [
        (Kind::Ours, bundle.clone()),
        (Kind::OursForwarded, variants::forwarded(&bundle)?),
        (Kind::OursAnybody, variants::anybody(&bundle)?),
    ];
    for (kind, bundle) in variants {
        let http = made.module("http", HTTP, &bundle);
        rows.push(row(made, kind, MOST, start(ground, "Envoy, our filter", None, Some(http)))?);
    }
    Ok(rows)
}

/// A subject, asking for the path that its rules allow, or why there is none.
fn row(made: &Made<'_>, kind: Kind, rules: u32, subject: Result<Subject>) -> Result<Row> {
    let path = made.text(&format!("path-{rules}.txt"))?;
    let (subject, failure) = match subject {
        Ok(mut subject) => {
            let end = subject.url.find("/public").unwrap_or(subject.url.len());
            subject.url.replace_range(end.., &path);
            (Some(subject), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    Ok((subject, Measured { kind, rules, micros: Vec::new(), memory: 0, failure }))
}

/// Gives each its turns, and ends them.
fn take_turns(mut rows: Vec<Row>, turns: u8) -> Result<Vec<Measured>> {
    for turn in 0..=turns {
        eprintln!("turn {turn} of {turns}");
        for (subject, row) in &mut rows {
            let Some(subject) = subject else { continue };
            let spent = one_turn(subject)?;
            row.memory = subject.memory()?;
            // The first turn only warms up.
            if turn > 0 {
                row.micros.push(spent);
            }
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

impl Made<'_> {
    fn text(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.sets.join(name)).with_context(|| format!("no {name}"))
    }

    fn module(&self, layer: &str, root: &str, bundle: &str) -> Value {
        envoy::wasm(layer, root, &self.sets.join("postern.wasm"), bundle)
    }
}

/// Microseconds for each request.
fn one_turn(subject: &Subject) -> Result<f64> {
    let before = subject.cpu()?;
    let load = Load::run(&subject.url, TURN)?;
    let spent = subject.cpu()?.saturating_sub(before);
    let (name, failed) = (&subject.name, load.failed);
    ensure!(failed == 0, "{name}: {failed} requests were not answered with 200");
    Ok(spent.as_secs_f64() * 1e6 / f64::from(load.requests))
}

/// Starts Envoy, or says in Envoy's words why it does not take the configuration.
fn start(ground: &Ground, name: &str, network: Option<Value>, http: Option<Value>) -> Result<Subject> {
    // The address of the workload that the policy is for.
    let listen = free(Ipv4Addr::new(127, 0, 10, 1))?;
    let config = envoy::bootstrap(listen, ground.upstream, network, http).to_string();
    let started = ground.envoy(name, &config, listen);
    let Err(error) = started else { return started };
    let file = ground.dir.path().join("refused.yaml");
    fs::write(&file, config).context("cannot write Envoy's configuration")?;
    let output = Command::new(&ground.envoy)
        .args(["--mode", "validate", "--log-level", "error", "-c"])
        .arg(file)
        .output()
        .context("cannot start Envoy")?;
    let said = String::from_utf8_lossy(&output.stderr);
    // The expression comes first, the reason last.
    let said: Vec<char> = said.trim().chars().collect();
    let end: String = said.iter().skip(said.len().saturating_sub(REASON)).collect();
    Err(error.context(format!("... {end}")))
}
