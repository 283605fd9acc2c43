//! What the node's programs cost, beside no program and nftables, and how long a change of policy takes.
//! `cargo xtask bench node` runs this.
//!
//! The program runs itself again in other network namespaces: once in the node's, where it measures, and in the
//! pods', where it is client and server.

mod datapath;
mod enforce;
mod ground;
mod nft;
mod packets;
mod peer;
mod policy;
mod probe;
mod report;
mod samples;
mod subject;
mod traffic;
mod usage;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};

use report::Report;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    settings: Settings,
    /// Cargo says this to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much is measured.
#[derive(Debug, Clone, clap::Args)]
struct Settings {
    /// How many turns each subject has
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..=64))]
    turns: u8,
    /// How long each stretch of load is, in milliseconds
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(50..=5000))]
    millis: u16,
    /// How often the policy is changed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(2..=1000))]
    changes: u16,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables
    #[default]
    Human,
    /// For machines
    Json,
}

/// What the program does when it runs itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// Measures, in the node's namespace
    #[command(hide = true)]
    Node {
        /// The place, as JSON
        place: String,
    },
    /// Answers
    #[command(hide = true)]
    Serve {
        /// Where
        address: SocketAddr,
    },
    /// Asks
    #[command(hide = true)]
    Load {
        /// In which way
        #[arg(value_enum)]
        load: peer::Load,
        /// Whom
        server: SocketAddr,
        /// For so many milliseconds
        millis: u16,
        /// Where the ports of new flows begin
        first_port: u16,
    },
    /// Tries again and again to connect, and says when that begins or ends to work
    #[command(hide = true)]
    Probe {
        /// Whom
        server: SocketAddr,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let settings = cli.settings;
    match cli.part {
        Some(Part::Node { place }) => {
            let place = serde_json::from_str(&place).context("cannot read where to measure")?;
            let measured = traffic::measure(&place, settings.turns, settings.millis)?;
            println!("{}", serde_json::to_string(&measured)?);
        }
        Some(Part::Serve { address }) => peer::serve(address)?,
        Some(Part::Load { load, server, millis, first_port }) => {
            let done = peer::run(load, server, Duration::from_millis(millis.into()), first_port)?;
            println!("{}", serde_json::to_string(&done)?);
        }
        Some(Part::Probe { server }) => probe::run(server)?,
        None => {
            let traffic = ground::measure(settings.turns, settings.millis)?;
            let enforced = enforce::measure(settings.changes)?;
            let report = Report { traffic, enforced };
            match settings.output {
                Format::Human => report.print(),
                Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
            }
        }
    }
    Ok(())
}
