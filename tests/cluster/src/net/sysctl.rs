//! Kernel settings of one namespace.

use anyhow::{Context as _, Result};

use super::Namespace;
use crate::tool;

/// Addresses are usable at once: nobody else can have them here.
pub(super) const NO_DETECTION: [(&str, &str); 2] =
    [("net/ipv6/conf/all/accept_dad", "0"), ("net/ipv6/conf/default/accept_dad", "0")];
/// Packets are passed on.
pub(super) const FORWARDING: [(&str, &str); 2] =
    [("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")];

/// Writes settings below `/proc/sys`, which shows each process those of its own namespace.
pub(super) fn write(namespace: &Namespace, settings: &[(&str, &str)]) -> Result<()> {
    let script = "while [ $# -gt 1 ]; do echo \"$2\" > \"/proc/sys/$1\" || exit 1; shift 2; done";
    let mut command = namespace.command("sh");
    command.args(["-c", script, "sh"]);
    for (key, value) in settings {
        command.args([key, value]);
    }
    tool::run(&mut command, "").context("cannot set what the kernel does in a namespace").map(drop)
}
