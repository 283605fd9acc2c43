//! Devices in the namespace that this program is in.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::Namespace;
use crate::run::RunId;
use crate::subnets::{Dual, Subnets};
use crate::tool;

/// The longest name the kernel takes.
const MAX_NAME: usize = 15;

/// The management network's bridge, on this machine. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Bridge {
    name: String,
}

impl Bridge {
    pub(super) fn create(run: RunId, subnets: Subnets) -> Result<Bridge> {
        let name = run.name("br");
        let Dual { v4, v6 } = subnets.hub();
        let (net4, net6) = subnets.management();
        tool::output("ip", &["link", "add", "name", &name, "type", "bridge"])?;
        let bridge = Bridge { name };
        let v4 = format!("{v4}/{}", net4.prefix_len());
        let v6 = format!("{v6}/{}", net6.prefix_len());
        tool::output("ip", &["address", "add", &v4, "dev", &bridge.name])?;
        tool::output("ip", &["address", "add", &v6, "dev", &bridge.name, "nodad"])?;
        tool::output("ip", &["link", "set", &bridge.name, "up"])?;
        Ok(bridge)
    }

    /// Makes a cable from the bridge into a namespace. Its end here is called `here`.
    pub(super) fn plug(&self, here: &str, namespace: &Namespace, there: &str) -> Result<Cable> {
        ensure!(here.len() <= MAX_NAME, "the kernel takes no device called '{here}': it is too long");
        let to = namespace.name();
        tool::output(
            "ip",
            &["link", "add", "name", here, "type", "veth", "peer", "name", there, "netns", to],
        )?;
        let cable = Cable { name: here.to_owned() };
        tool::output("ip", &["link", "set", here, "master", &self.name, "up"])?;
        Ok(cable)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        report(remove(&self.name));
    }
}

/// This machine's end of a veth pair; with it the other end goes.
#[derive(Debug)]
pub(super) struct Cable {
    name: String,
}

impl Drop for Cable {
    fn drop(&mut self) {
        report(remove(&self.name));
    }
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("{error:#}");
    }
}

/// Removes a device; one that is not there is no error.
pub(crate) fn remove(name: &str) -> Result<()> {
    let removed = tool::output("ip", &["link", "delete", name]);
    // A veth goes with its other end, whose namespace the kernel takes down when it likes.
    if removed.is_err() && !names()?.iter().any(|device| device == name) { Ok(()) } else { removed.map(drop) }
}

/// The names of this machine's devices.
pub(crate) fn names() -> Result<Vec<String>> {
    // `/sys/class/net` would show the namespace it was mounted in.
    let text = fs::read_to_string("/proc/net/dev").context("cannot list the devices of this machine")?;
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
    Ok(text.lines().filter_map(name).collect())
}
