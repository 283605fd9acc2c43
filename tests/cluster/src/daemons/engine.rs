//! What enforces HTTP rules on a node.

use std::process::Command;

use anyhow::{Result, bail};
use postern_tests_harness::programs;

use super::PROXY_ADMIN;
use super::node::Seat;
use crate::options::Engine;

/// The command that starts a node's proxy, in the node's namespace.
pub(crate) fn command(engine: Engine, seat: &Seat) -> Result<Command> {
    match engine {
        Engine::Bundled => bundled(seat),
        Engine::Envoy => envoy(seat),
    }
}

fn bundled(seat: &Seat) -> Result<Command> {
    let mut command = seat.command(&programs::postern()?);
    command.args(["proxy", "--transparent"]);
    seat.common_args(&mut command);
    command.args(["--admin", PROXY_ADMIN]);
    Ok(command)
}

/// Envoy with a bootstrap that takes everything else from the controller: `seat` has the controller's
/// address, the authority, the token and the folder of the node's pins.
fn envoy(_seat: &Seat) -> Result<Command> {
    bail!("a box with Envoy in place of the bundled proxy is not offered yet")
}
