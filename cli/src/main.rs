//! The `postern` binary: parse, run, exit code.

mod bundle;
mod check;
mod cli;
mod config_file;
#[cfg(feature = "controller")]
mod controller;
mod convert;
mod demo;
mod explain;
mod filter;
#[cfg(feature = "cluster")]
mod follow;
mod inputs;
#[cfg(feature = "cluster")]
mod node;
mod output;
mod proxy;
mod render;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::output::Outcome;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Demo(args) => demo::run(&args),
        Command::Proxy(args) => proxy::run(&args),
        #[cfg(feature = "cluster")]
        Command::Node(args) => node::run(&args),
        #[cfg(feature = "controller")]
        Command::Controller(args) => controller::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Filter(args) => filter::run(&args),
    };
    match result {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(3)
        }
    }
}
