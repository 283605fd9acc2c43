//! A pod that runs here.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Child;

use anyhow::{Context as _, Result};

use super::Settings;
use super::status::State;
use crate::images::Program;
use crate::net::{NodeNet, PodNet};

/// How the kernel writes "listens".
const LISTEN: &str = "0A";

/// A namespace and the process in it. Dropping it ends the process and removes the namespace.
#[derive(Debug)]
pub(super) struct Local {
    child: Child,
    program: Program,
    net: PodNet,
    /// The file that tells others which namespace it is.
    entry: std::path::PathBuf,
    /// What was found last.
    state: State,
    /// What the API server was told last.
    pub(super) reported: Option<State>,
    /// The services that were programmed last.
    pub(super) services: String,
    pub(super) node: u8,
}

impl Local {
    /// Makes the namespace and starts the process. `name` is `NAMESPACE/NAME`.
    pub(super) fn start(
        settings: &Settings,
        node: &NodeNet,
        number: u8,
        name: &str,
        program: Program,
    ) -> Result<Local> {
        let net = PodNet::create(node, number, name)?;
        let file = name.replace('/', "_");
        let mut command = net.namespace().command(&settings.program);
        command.args(program.args());
        let mut child = settings.home.spawn(&format!("pod_{file}"), command)?;
        let entry = settings.home.folder.pods().join(file);
        let written = fs::write(&entry, net.namespace().name()).context("cannot write down where a pod is");
        if let Err(error) = written {
            // Nothing else would end it.
            let _ = child.kill().and_then(|()| child.wait());
            return Err(error);
        }
        Ok(Local {
            child,
            program,
            net,
            entry,
            state: State::Starting,
            reported: None,
            services: String::new(),
            node: node.number(),
        })
    }

    /// Looks at the process.
    pub(super) fn look(&mut self) {
        self.state = match (&self.state, self.child.try_wait()) {
            (State::Ended(how), _) => State::Ended(how.clone()),
            (_, Ok(Some(status))) => State::Ended(status.to_string()),
            (State::Starting, _) if self.answers() => State::Ready,
            (state, _) => state.clone(),
        };
    }

    /// Its state, if that has not been reported.
    pub(super) fn news(&self) -> Option<State> {
        (self.reported.as_ref() != Some(&self.state)).then(|| self.state.clone())
    }

    /// Whether its ports are open; found out without a packet, which a policy might drop.
    fn answers(&self) -> bool {
        let pid = self.child.id();
        let inode = |path: &str| fs::metadata(path).map(|meta| meta.ino()).ok();
        let there = inode(&format!("/proc/{pid}/ns/net"));
        if there.is_none() || there != inode(&self.net.namespace().path().to_string_lossy()) {
            // It has not yet entered, and what is seen is what listens on the machine.
            return false;
        }
        let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{pid}/net/{name}")));
        let tables = tables.map(Result::unwrap_or_default);
        let open =
            |port: &u16| tables.iter().flat_map(|table| table.lines()).any(|line| listens(line, *port));
        self.program.listens_on().iter().all(open)
    }

    pub(super) fn net(&self) -> &PodNet {
        &self.net
    }
}

/// Whether a line of `/proc/net/tcp` is that of a listener on this port.
fn listens(line: &str, port: u16) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next(), fields.nth(1));
    let suffix = format!(":{port:04X}");
    state == Some(LISTEN) && local.is_some_and(|local| local.ends_with(&suffix))
}

impl Drop for Local {
    fn drop(&mut self) {
        // All three fail only when it is gone already.
        let _ = fs::remove_file(&self.entry);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let line =
            |local: &str, state: &str| format!("   0: {local} 00000000:0000 {state} 00000000:00000000");
        assert!(listens(&line("00000000:0050", "0A"), 80));
        assert!(listens(&line("00000000000000000000000000000000:1F90", "0A"), 8080));
        assert!(!listens(&line("00000000:0050", "01"), 80));
        assert!(!listens(&line("00000000:0051", "0A"), 80));
    }
}
