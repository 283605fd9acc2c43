//! ICMP.

use std::net::IpAddr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Place;

/// Whether one echo request is answered within a second.
pub fn ping(place: &Place, to: IpAddr) -> Result<bool> {
    let mut command = Command::new("ping");
    command
        .args(["-n", "-q", "-c", "1", "-W", "1", &to.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A child is born in the namespace of the thread that makes it.
    let status = place.run(move || command.status())?;
    Ok(status.context("cannot run ping: it is in the package iputils-ping")?.success())
}
