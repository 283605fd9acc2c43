//! Everything a contributor runs: `cargo xtask demo`, `cluster`, `test`, `fuzz`, `ci`, `tidy`, `tools`, `bench`,
//! `instructions`.

mod bench;
mod ci;
mod cli;
mod cluster;
mod demo;
mod exec;
mod fuzz;
mod instructions;
mod report;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
