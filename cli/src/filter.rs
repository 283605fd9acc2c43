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
    /// Write the embedded filter to a file: the proxy-wasm module, or the component
    #[command(after_help = "Examples:
  postern filter export -o postern.wasm
  postern filter export --component -o policy.wasm")]
    Export {
        /// The component of the world `postern:policy/policy`, in place of the proxy-wasm module
        #[cfg(feature = "component")]
        #[arg(long)]
        component: bool,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

/// A way to reach the decision inside WebAssembly. The verdicts are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Door {
    /// The proxy-wasm module
    #[default]
    Module,
    /// The component of the world `postern:policy/policy`
    #[cfg(feature = "component")]
    Component,
}

impl Door {
    /// The embedded guest.
    pub(crate) fn guest(self) -> &'static [u8] {
        match self {
            Self::Module => FILTER_WASM,
            #[cfg(feature = "component")]
            Self::Component => postern_filter_module::COMPONENT_WASM,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    #[cfg(feature = "component")]
    let Command::Export { component, output } = &args.command;
    #[cfg(feature = "component")]
    let door = if *component { Door::Component } else { Door::Module };
    #[cfg(not(feature = "component"))]
    let (Command::Export { output }, door) = (&args.command, Door::Module);
    let guest = door.guest();
    std::fs::write(output, guest).with_context(|| format!("cannot write {}", output.display()))?;
    print(&format!("wrote {} ({} bytes)\n", output.display(), guest.len()))?;
    Ok(Outcome::Ok)
}
