//! Real Envoy.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use postern_tests_corpus::engine::{Decided, Engine};
use postern_tests_corpus::{Case, Scenario};
use postern_tests_harness::upstream::Seen;
use postern_tests_harness::{Envoy, Options, RawOutcome};
use serde_json::Value;
use tempfile::TempDir;

use crate::bundles::{Door, Files};
use crate::postern::postern;
use crate::traffic::Traffic;

/// One Envoy that has a listener for every door of the corpus, each as `postern bundle --for envoy` writes it.
///
/// The listeners' plugins share one VM, as they do wherever one Envoy serves several workloads.
#[derive(Debug)]
pub struct EnvoyEngine {
    traffic: Traffic,
    listeners: HashMap<Door, SocketAddr>,
    _envoy: Envoy,
    _module: TempDir,
}

/// What Envoy does to paths before the filter sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// Nothing, as `postern bundle --for envoy` has it.
    Off,
    /// All that it can: dot segments, empty segments, `%2F` and `%5C`.
    On,
}

impl Normalisation {
    fn apply(self, bootstrap: &str) -> Result<String> {
        if self == Normalisation::Off {
            return Ok(bootstrap.to_owned());
        }
        let mut changed = bootstrap.to_owned();
        for (off, on) in [
            ("normalize_path: false", "normalize_path: true"),
            ("merge_slashes: false", "merge_slashes: true"),
            (
                "path_with_escaped_slashes_action: KEEP_UNCHANGED",
                "path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD",
            ),
        ] {
            ensure!(changed.contains(off), "the bootstrap does not say {off}");
            changed = changed.replace(off, on);
        }
        Ok(changed)
    }
}

impl EnvoyEngine {
    /// Starts Envoy with what the scenarios need.
    pub fn start(scenarios: &[Scenario], normalisation: Normalisation) -> Result<EnvoyEngine> {
        let traffic = Traffic::start()?;
        let module_dir = tempfile::tempdir().context("cannot make a folder for the module")?;
        let module = module_dir.path().join("postern.wasm");
        let module = module.to_str().context("the folder's name is not text")?;
        let ran = postern(["filter", "export", "-o", module])?;
        ensure!(ran.code == Some(0), "postern filter export fails: {ran:#?}");

        let mut bootstrap = Bootstrap::default();
        let mut doors = Vec::new();
        for scenario in scenarios {
            let files = Files::of(scenario)?;
            for door in Door::all(scenario) {
                let listen = SocketAddr::new(door.address, 0).to_string();
                let upstream = traffic.behind(&door).to_string();
                let further =
                    ["--for", "envoy", "--listen", &listen, "--upstream", &upstream, "--module", module];
                bootstrap.add(&name(doors.len()), &files.bundle(&door, &further)?)?;
                doors.push(door);
            }
        }
        let envoy = Envoy::start(&normalisation.apply(&bootstrap.text())?, &Options::default())?;
        let addresses = addresses(&envoy)?;
        let listener = |(index, door): (usize, Door)| {
            let address = addresses.get(&name(index)).with_context(|| format!("no listener for {door:?}"))?;
            Ok((door, *address))
        };
        let listeners = doors.into_iter().enumerate().map(listener).collect::<Result<_>>()?;
        Ok(EnvoyEngine { traffic, listeners, _envoy: envoy, _module: module_dir })
    }

    /// Sends a case's request and gives the answer, and what the upstream has seen of it.
    pub fn send(&mut self, scenario: &Scenario, case: &Case) -> Result<(RawOutcome, Vec<Seen>)> {
        let listener = self.listeners.get(&Door::of(scenario, case)).context("no listener for this case")?;
        Ok(self.traffic.send(scenario, case, *listener))
    }
}

impl Engine for EnvoyEngine {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn load(&mut self, _: &Scenario) -> Result<()> {
        Ok(())
    }

    fn decide(&mut self, scenario: &Scenario, case: &Case) -> Result<Decided> {
        let listener = self.listeners.get(&Door::of(scenario, case)).context("no listener for this case")?;
        Ok(Decided::traffic(self.traffic.observe(scenario, case, *listener)))
    }
}

fn name(index: usize) -> String {
    format!("door-{index}")
}

/// The listeners of several bootstraps in one, with the clusters of the first: they all have the same.
#[derive(Debug, Default)]
struct Bootstrap {
    head: String,
    listeners: String,
    clusters: String,
}

impl Bootstrap {
    fn add(&mut self, name: &str, printed: &str) -> Result<()> {
        let (head, rest) = printed.split_once("  listeners:\n").context("no listeners in the bootstrap")?;
        let (listener, clusters) =
            rest.split_once("  clusters:\n").context("no clusters in the bootstrap")?;
        ensure!(listener.matches("\n  - name: ").count() == 0, "more than one listener in the bootstrap");
        let listener =
            listener.strip_prefix("  - name: postern\n").context("the listener has another name")?;
        self.listeners += &format!("  - name: {name}\n{listener}");
        if self.clusters.is_empty() {
            (self.head, self.clusters) = (head.to_owned(), clusters.to_owned());
        }
        Ok(())
    }

    fn text(&self) -> String {
        let Self { head, listeners, clusters } = self;
        format!("{head}  listeners:\n{listeners}  clusters:\n{clusters}")
    }
}

fn addresses(envoy: &Envoy) -> Result<HashMap<String, SocketAddr>> {
    let text = envoy.admin_get("/listeners?format=json")?;
    let all: Value = serde_json::from_str(&text).context("/listeners is not JSON")?;
    let listeners = all.get("listener_statuses").and_then(Value::as_array).context("no listeners")?;
    let address = |listener: &Value| {
        let name = listener.get("name")?.as_str()?;
        let socket = listener.pointer("/local_address/socket_address")?;
        let ip = socket.get("address")?.as_str()?.parse().ok()?;
        let port = u16::try_from(socket.get("port_value")?.as_u64()?).ok()?;
        Some((name.to_owned(), SocketAddr::new(ip, port)))
    };
    listeners
        .iter()
        .map(|listener| address(listener).with_context(|| format!("a listener is {listener}")))
        .collect()
}
