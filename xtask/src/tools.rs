//! Every tool that is installed rather than built from this tree: one table, one cache folder.

pub(crate) mod apiserver;
pub(crate) mod bpf_linker;
pub(crate) mod bpffs;
mod cache;
mod crates;
mod debian;
pub(crate) mod deny;
pub(crate) mod envoy;
mod phases;
pub(crate) mod rust;
mod system;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::exec;
use crate::workspace::Workspace;

/// The system's programs that make networks and look into them, each with the Debian package that has it.
pub(crate) const NETWORK: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("ping", "iputils-ping"),
    ("taskset", "util-linux"),
];

/// One tool.
struct Tool {
    name: &'static str,
    version: fn(&Workspace) -> Result<String>,
    /// What uses it.
    used_by: &'static str,
    /// Where it is, if it is installed.
    find: fn(&Workspace) -> Result<Option<PathBuf>>,
    /// Installs it unless it is there, and says which.
    ensure: fn(&Workspace) -> Result<()>,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "rust",
        version: |workspace| rust::Wanted::read(workspace).map(|wanted| wanted.channel),
        used_by: "everything: the toolchain, its components and targets of rust-toolchain.toml",
        find: rust::find,
        ensure: rust::ensure,
    },
    Tool {
        name: envoy::NAME,
        version: |_| Ok(envoy::VERSION.to_owned()),
        used_by: "test, ci: runs the filter in a real Envoy",
        find: |_| envoy::find(),
        ensure: |_| envoy::ensure().map(drop),
    },
    Tool {
        name: deny::NAME,
        version: |_| Ok(deny::VERSION.to_owned()),
        used_by: "ci: licences, bans and sources of dependencies",
        find: |_| deny::find(),
        ensure: |workspace| deny::ensure(workspace).map(drop),
    },
    Tool {
        name: bpf_linker::NAME,
        version: |_| Ok(bpf_linker::VERSION.to_owned()),
        used_by: "everything with the crate node: links its programs for the kernel",
        find: |_| bpf_linker::find(),
        ensure: |workspace| bpf_linker::ensure(workspace).map(drop),
    },
    Tool {
        name: apiserver::NAME,
        version: |_| Ok(apiserver::version()),
        used_by: "test, ci: an API server with etcd and kubectl beside it",
        find: |_| apiserver::find(),
        ensure: |_| apiserver::ensure().map(drop),
    },
];

/// Installs what is missing.
pub(crate) fn install_all(workspace: &Workspace) -> Result<()> {
    TOOLS.iter().try_for_each(|tool| (tool.ensure)(workspace))
}

/// Installs what the checks before the tests use. Suites bring what they need themselves, so that one that is left out
/// costs nothing.
pub(crate) fn install_for_checks(workspace: &Workspace) -> Result<()> {
    rust::ensure(workspace)?;
    deny::ensure(workspace)?;
    bpf_linker::ensure(workspace).map(drop)
}

/// Prints the table.
pub(crate) fn list(workspace: &Workspace) -> Result<()> {
    println!("cache folder: {}", cache::folder()?.display());
    for tool in TOOLS {
        let state = (tool.find)(workspace)?
            .map_or_else(|| "missing".to_owned(), |path| format!("ready: {}", path.display()));
        println!("{} {}\n    {state}\n    used by {}", tool.name, (tool.version)(workspace)?, tool.used_by);
    }
    Ok(())
}

/// Programs that come with the system, each with the Debian package that has it: installs what is missing.
pub(crate) fn packages(programs: &[(&str, &str)]) -> Result<()> {
    let is_there =
        |program: &str| exec::succeeds(Command::new("sh").args(["-c", "command -v \"$0\"", program]));
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() { Ok(()) } else { system::install(&missing, "programs of the system are missing") }
}
