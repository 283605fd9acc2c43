//! The machine's package manager, used only as root and only where nothing else gives what is needed.

use std::process::Command;

use anyhow::{Result, bail};

use crate::exec;

/// Installs Debian packages, or says which are needed.
pub(super) fn install(packages: &[&str], why: &str) -> Result<()> {
    let by_hand = format!("{why}: install {} (`sudo apt-get install {0}`) and try again", packages.join(" "));
    let is_root = exec::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !exec::succeeds(Command::new("apt-get").arg("--version")) {
        bail!(by_hand);
    }
    eprintln!("{why}: installing {} by apt-get", packages.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        command
    };
    exec::run(apt().arg("update"))?;
    exec::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}
