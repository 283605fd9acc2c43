//! nftables with sets, in the node's namespace.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::ground::Place;
use crate::policy::{SIZES, Size};

/// Makes the sets. Without a chain that asks them, no packet meets them.
pub(crate) fn make_sets(place: &Place) -> Result<()> {
    let mut script = "add table ip bench\n".to_owned();
    for size in SIZES {
        let (set, entries) = (set(size), size.entries());
        let elements = size.elements(place.client.address, place.server.address);
        // Writing to a string does not fail.
        let _ = writeln!(
            script,
            "add set ip bench {set} {{ typeof ip saddr . ip daddr . tcp dport; size {entries}; }}\n\
             add element ip bench {set} {{ {elements} }}"
        );
    }
    run(&script)
}

/// Puts a policy in force.
pub(crate) fn apply(size: Size) -> Result<()> {
    let set = set(size);
    run(&format!(
        "add chain ip bench forward {{ type filter hook forward priority 0; policy drop; }}\n\
         add rule ip bench forward ct state established accept\n\
         add rule ip bench forward ip saddr . ip daddr . tcp dport @{set} accept\n"
    ))
}

/// Lifts it.
pub(crate) fn lift() -> Result<()> {
    run("flush chain ip bench forward\ndelete chain ip bench forward\n")
}

fn set(size: Size) -> String {
    format!("s{}", size.entries())
}

fn run(script: &str) -> Result<()> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start `nft`: is nftables installed?")?;
    let mut input = child.stdin.take().context("nft takes no input")?;
    let written = input.write_all(script.as_bytes());
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "nft refused what it was given: {status}");
    written.context("nft did not read what it was given")
}
