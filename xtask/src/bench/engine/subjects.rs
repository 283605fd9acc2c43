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
use crate::bench::load::Load;
use crate::bench::subject::{Ground, Subject, free};

/// How many rules there are.
pub(super) const SIZES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// The root ids of the module's two plugins.
pub(super) const HTTP: &str = "postern.http";
const CONNECTION: &str = "postern.connection";
const TURN: Duration = Duration::from_secs(1);
/// How often everything is started anew.
const ROUNDS: u8 = 3;
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
    /// Ours, deciding requests.
    Ours,
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

/// The turns of all rounds. Each round has processes of its own: where things lie in the memory of one makes as much of a
/// difference as what is measured, and stays as it is while the process lives.
pub(super) fn measure(
    envoy: &Path,
    noop: &Path,
    postern: Option<&Path>,
    sets: &Path,
    turns: u8,
) -> Result<Vec<Measured>> {
    let mut rows: Vec<Measured> = Vec::new();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}: starting everything");
        let more = self::round(envoy, noop, postern, sets, turns.div_ceil(ROUNDS))?;
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

/// Starts them all, gives each its turns, and ends them.
fn round(envoy: &Path, noop: &Path, postern: Option<&Path>, sets: &Path, turns: u8) -> Result<Vec<Measured>> {
    let ground = Ground::prepare(postern.unwrap_or(Path::new("postern")), envoy)?;
    let text = |name: String| fs::read_to_string(sets.join(&name)).with_context(|| format!("no {name}"));
    let module = sets.join("postern.wasm");
    let mut rows = Vec::new();
    let mut add = |kind, rules, subject: Result<Subject>| {
        let path = text(format!("path-{rules}.txt"))?;
        let (subject, failure) = match subject {
            Ok(mut subject) => {
                let end = subject.url.find("/public").unwrap_or(subject.url.len());
                subject.url.replace_range(end.., &path);
                (Some(subject), None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        rows.push((subject, Measured { kind, rules, micros: Vec::new(), memory: 0, failure }));
        anyhow::Ok(())
    };
    add(Kind::Bare, 1, start(&ground, "Envoy, no filter", None, None))?;
    let empty = ground.dir.path().join("empty.wasm");
    fs::write(&empty, EMPTY).context("cannot write a module")?;
    let nothing = envoy::wasm("http", "empty", &empty, "");
    add(Kind::Empty, 1, start(&ground, "Envoy, a module without callbacks", None, Some(nothing)))?;
    let nothing = envoy::wasm("http", "noop", noop, "");
    add(Kind::Noop, 1, start(&ground, "Envoy, no-op filter", None, Some(nothing)))?;
    for rules in SIZES {
        let bundle = text(format!("bundle-{rules}.json"))?;
        let http = envoy::wasm("http", HTTP, &module, &bundle);
        add(Kind::Ours, rules, start(&ground, "Envoy, our filter", None, Some(http.clone())))?;
        if rules == 10_000 {
            let network = envoy::wasm("network", CONNECTION, &module, &bundle);
            let both = start(&ground, "Envoy, both our filters", Some(network), Some(http));
            add(Kind::OursBoth, rules, both)?;
        }
        let expressions = text(format!("expressions-{rules}.txt"))?;
        for (kind, way) in [(Kind::RbacApart, Way::Apart), (Kind::RbacTogether, Way::Together)] {
            add(kind, rules, start(&ground, "Envoy, RBAC", None, Some(envoy::rbac(&expressions, way))))?;
        }
    }
    add(Kind::Nginx, 10_000, ground.nginx())?;
    if postern.is_some() {
        add(Kind::Proxy, 10_000, ground.proxy("our proxy", &sets.join("policy-10000.yaml")))?;
    }
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
