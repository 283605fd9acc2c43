//! What enforces HTTP rules on a node.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::programs;

use super::PROXY_ADMIN;
use super::node::Seat;
use crate::options::Engine;
use crate::tool;

/// The bootstrap that is offered to users, and where it has the node's token from.
const BOOTSTRAP: &str = include_str!("../../../../deploy/envoy/node.yaml");
const TOKEN: &str = include_str!("../../../../deploy/envoy/token.yaml");
/// Envoy in place of the shell, so that the process that is known, and killed, is Envoy; what hands its
/// listeners to the kernel ends with it.
const TOGETHER: &str = r#""$1" node adopt --follow --pid $$ --bpffs "$2" \
    --listen 127.0.0.1:15001 --listen '[::1]:15001' &
exec "$3" --disable-hot-restart --concurrency 1 -c "$4""#;

/// The command that starts a node's proxy, in the node's namespace.
pub(crate) fn command(engine: Engine, seat: &Seat) -> Result<Command> {
    match engine {
        Engine::Bundled => bundled(seat),
        Engine::Envoy => envoy(seat),
    }
}

/// What is asked on its admin address to learn whether it is ready.
pub(crate) fn readiness(engine: Engine) -> &'static str {
    match engine {
        Engine::Bundled => "/readyz",
        Engine::Envoy => "/ready",
    }
}

fn bundled(seat: &Seat) -> Result<Command> {
    let mut command = seat.command(&programs::postern()?);
    command.args(["proxy", "--transparent"]);
    seat.common_args(&mut command);
    command.args(["--admin", PROXY_ADMIN]);
    Ok(command)
}

/// Envoy on the bootstrap for nodes, which takes everything else from the controller.
fn envoy(seat: &Seat) -> Result<Command> {
    let folder = seat.token.with_extension("envoy");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let [bootstrap, token, module] =
        ["node.yaml", "token.yaml", "postern.wasm"].map(|name| folder.join(name));
    let postern = programs::postern()?;
    tool::run(Command::new(&postern).args(["filter", "export", "-o"]).arg(&module), "")?;
    write(&token, TOKEN, &[("/var/run/secrets/postern/token", &shown(&seat.token))])?;
    let controller: SocketAddr = seat
        .controller
        .strip_prefix("https://")
        .and_then(|address| address.parse().ok())
        .with_context(|| format!("'{}' is not https://ADDRESS:PORT", seat.controller))?;
    let (ip, port) = (controller.ip(), controller.port());
    let values = [
        // A name is looked for in DNS, which a box does not have.
        (
            "address: postern-controller.postern-system.svc, port_value: 15010",
            &*format!("address: \"{ip}\", port_value: {port}"),
        ),
        (
            "san_type: DNS, matcher: {exact: postern-controller.postern-system.svc}",
            &*format!("san_type: IP_ADDRESS, matcher: {{exact: \"{ip}\"}}"),
        ),
        ("worker0", &*seat.node),
        ("/etc/postern/ca.crt", &*shown(&seat.authority)),
        ("/etc/postern/token.yaml", &*shown(&token)),
        ("/etc/postern/postern.wasm", &*shown(&module)),
    ];
    write(&bootstrap, BOOTSTRAP, &values)?;
    let mut command = seat.command(Path::new("sh"));
    command.args(["-c", TOGETHER, "sh"]).arg(postern).arg(&seat.pins).arg(programs::envoy()?).arg(bootstrap);
    Ok(command)
}

/// Writes a file of deploy/ with the values of this box.
fn write(to: &Path, text: &str, values: &[(&str, &str)]) -> Result<()> {
    let mut text = text.to_owned();
    for (from, into) in values {
        ensure!(text.contains(from), "the file for {} has no '{from}' any more", to.display());
        text = text.replace(from, into);
    }
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
