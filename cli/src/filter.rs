//! `postern filter`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use postern_filter_module::FILTER_WASM;

use crate::output::{Outcome, print};

/// The filter itself
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  postern filter export -o postern.wasm")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the embedded proxy-wasm module to a file
    #[command(after_help = "Example:\n  postern filter export -o postern.wasm")]
    Export {
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Command::Export { output } = &args.command;
    std::fs::write(output, FILTER_WASM).with_context(|| format!("cannot write {}", output.display()))?;
    print(&format!("wrote {} ({} bytes)\n", output.display(), FILTER_WASM.len()))?;
    Ok(Outcome::Ok)
}
