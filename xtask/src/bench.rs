//! `cargo xtask bench`: what enforcing costs, beside its peers, in one run.
//!
//! This counts CPU time, not requests per second: on a shared machine it is the steadier of the two. The subjects
//! take turns, so that what else the machine does falls on all of them, and the median of the turns counts.

pub(crate) mod engine;
mod language;
mod load;
mod node;
mod subject;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::workspace::Workspace;
use crate::{exec, tools};
use load::Load;
use subject::{Ground, Subject};

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// The proxy and the filter beside nginx and Envoy: CPU time for each request
    #[command(
        after_help = "Example: cargo xtask bench proxy\n         cargo xtask bench proxy --turns 16 -o json"
    )]
    Proxy(ProxyArgs),
    /// What the engine costs from one rule to ten thousand: decisions, the module in the VM, in Envoy, in the proxy
    #[command(
        after_help = "Example: cargo xtask bench engine --write\n         cargo xtask bench engine --turns 4 -o json"
    )]
    Engine(engine::EngineArgs),
    /// The node's programs beside no program and nftables with sets, and from a change of policy to its effect (root)
    #[command(
        after_help = "Example: cargo xtask bench node\n         cargo xtask bench node --turns 16 -o json"
    )]
    Node(node::NodeArgs),
    /// Reading and resolving many policies, a change among them, and `postern check` from its start
    #[command(
        after_help = "Example: cargo xtask bench language\n         cargo xtask bench language --checks 0 -o json"
    )]
    Language(language::LanguageArgs),
}

/// How long, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// How many turns each subject has
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    turns: u8,
    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=30))]
    seconds: u8,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    #[default]
    Human,
    /// For machines
    Json,
}

/// What one subject took.
struct Row {
    name: String,
    /// Microseconds of CPU time for each request, one value a turn, in order of size.
    micros: Vec<f64>,
    /// Resident memory after the last turn, in KiB.
    memory: u64,
}

impl Row {
    fn median(&self) -> f64 {
        self.micros.get(self.micros.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Runs one of the benchmarks.
pub(crate) fn run(workspace: &Workspace, bench: &Bench) -> Result<ExitCode> {
    let args = match bench {
        Bench::Proxy(args) => args,
        Bench::Engine(args) => return engine::run(workspace, args),
        Bench::Node(args) => return node::run(workspace, args),
        Bench::Language(args) => return language::run(workspace, args),
    };
    tools::rust::ensure(workspace)?;
    tools::packages(&[("nginx", "nginx-light"), ("wrk", "wrk"), ("taskset", "util-linux")])?;
    let envoy = tools::envoy::ensure()?;
    // Standard output is for the result.
    eprintln!("building postern in release: some minutes the first time, seconds afterwards");
    exec::quiet(workspace.cargo().args(["build", "--release", "--bin", "postern", "--no-default-features"]))?;
    let postern = workspace.target.join("release").join("postern");
    let ground = Ground::prepare(&postern, &envoy)?;
    let subjects = ground.subjects()?;
    let rows = measure(&subjects, args)?;
    match args.output {
        Format::Human => print_table(&rows),
        Format::Json => print_json(&rows)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(subjects: &[Subject], args: &ProxyArgs) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = subjects
        .iter()
        .map(|subject| Row { name: subject.name.clone(), micros: Vec::new(), memory: 0 })
        .collect();
    for turn in 0..=args.turns {
        eprintln!("turn {turn} of {}", args.turns);
        for (subject, row) in subjects.iter().zip(&mut rows) {
            let before = subject.cpu()?;
            let load = Load::run(&subject.url, Duration::from_secs(args.seconds.into()))?;
            let spent = subject.cpu()?.saturating_sub(before);
            ensure!(
                load.failed == 0,
                "{}: {} requests were not answered with 200",
                subject.name,
                load.failed
            );
            // The first turn only warms up.
            if turn > 0 {
                row.micros.push(spent.as_secs_f64() * 1e6 / f64::from(load.requests));
            }
            row.memory = subject.memory()?;
        }
    }
    for row in &mut rows {
        row.micros.sort_by(f64::total_cmp);
    }
    Ok(rows)
}

fn print_table(rows: &[Row]) {
    let base = rows.first().map_or(f64::NAN, Row::median);
    println!("| subject | CPU µs a request, median | least | most | of the first | memory, MiB |");
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let edge = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.2} | {} |",
            row.name,
            row.median(),
            edge(row.micros.first()),
            edge(row.micros.last()),
            row.median() / base,
            row.memory / 1024,
        );
    }
}

fn print_json(rows: &[Row]) -> Result<()> {
    let row = |row: &Row| json!({"subject": row.name, "median_us": row.median(), "turns_us": row.micros, "memory_kib": row.memory});
    let rows: Vec<_> = rows.iter().map(row).collect();
    println!("{}", serde_json::to_string_pretty(&rows).context("the result cannot be printed")?);
    Ok(())
}
