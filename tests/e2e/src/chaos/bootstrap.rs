//! The tutorial's Envoy, as `postern bundle --for envoy` prints it, with parts of it changed.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::postern::postern;
use crate::tutorial::{APP1, ARGS};

/// The module that the binary carries.
pub fn module() -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("postern.wasm");
    let ran = postern(["filter".as_ref(), "export".as_ref(), "-o".as_ref(), path.as_os_str()])?;
    ensure!(ran.code == Some(0), "postern filter export fails: {ran:#?}");
    std::fs::read(&path).context("cannot read the module")
}

/// The bootstrap for a module and an upstream that speaks HTTP/1.1.
pub fn bootstrap(module: &Path, upstream: SocketAddr) -> Result<String> {
    let listen = SocketAddr::new(APP1, 0).to_string();
    let (upstream, module) = (upstream.to_string(), module.to_str().context("the path is not text")?);
    let manifest =
        ["bundle", "--for", "envoy", "--listen", &listen, "--upstream", &upstream, "--module", module];
    let ran = postern(manifest.iter().chain(&ARGS))?;
    ensure!(ran.code == Some(0), "postern bundle fails: {ran:#?}");
    // Envoy keeps a connection for a second after it has refused what came on it; there are a thousand of those.
    let prompt = "stat_prefix: postern\n          delayed_close_timeout: 0.01s";
    let printed = replace(&ran.stdout, "stat_prefix: postern", prompt)?;
    let asked = "use_downstream_protocol_config: {http2_protocol_options: {}}";
    replace(&printed, asked, "explicit_http_config: {http_protocol_options: {}}")
}

/// Lets heads of any size come as far as the filter.
pub fn with_large_heads(bootstrap: &str) -> Result<String> {
    let limits = "stat_prefix: postern\n          max_request_headers_kb: 8192\n          \
                  common_http_protocol_options: {max_headers_count: 20000}";
    replace(bootstrap, "stat_prefix: postern", limits)
}

/// The configuration of both plugins.
pub fn with_configuration(bootstrap: &str, value: &str) -> Result<String> {
    const NEXT: &str = "\n      - name: envoy.filters.network.http_connection_manager";
    let (before, rest) = bootstrap.split_once("value: |-\n").context("no configuration in the bootstrap")?;
    let (_, after) = rest.split_once(NEXT).context("no connection manager in the bootstrap")?;
    Ok(format!("{before}value: {}{NEXT}{after}", serde_json::to_string(value)?))
}

/// Another failure policy for both plugins.
pub fn with_failure_policy(bootstrap: &str, policy: &str) -> Result<String> {
    replace(bootstrap, "failure_policy: FAIL_RELOAD", &format!("failure_policy: {policy}"))
}

fn replace(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "the bootstrap has no `{from}`");
    Ok(text.replace(from, to))
}
