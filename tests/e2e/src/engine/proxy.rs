//! The `postern proxy` process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use postern_tests_corpus::engine::{Decided, Engine};
use postern_tests_corpus::{Case, Scenario};
use tempfile::TempDir;

use crate::bundles::{Door, Files};
use crate::proxy::{Proxy, write};
use crate::traffic::Traffic;

/// One process for ingress and one for egress to each peer, on all loopback addresses, whose bundle file is replaced for
/// each door: so every door is also a change of configuration.
#[derive(Debug)]
pub struct ProxyEngine {
    traffic: Traffic,
    sides: HashMap<Option<IpAddr>, Side>,
    bundles: HashMap<Door, String>,
}

#[derive(Debug)]
struct Side {
    proxy: Proxy,
    bundle: PathBuf,
    loaded: Option<Door>,
    _dir: TempDir,
}

impl ProxyEngine {
    /// Starts what is behind the proxies; they start when a case needs them.
    pub fn start() -> Result<ProxyEngine> {
        Ok(ProxyEngine { traffic: Traffic::start()?, sides: HashMap::new(), bundles: HashMap::new() })
    }
}

impl Engine for ProxyEngine {
    fn name(&self) -> &'static str {
        "proxy"
    }

    fn load(&mut self, scenario: &Scenario) -> Result<()> {
        let files = Files::of(scenario)?;
        let bundle = |door: Door| Ok((door.clone(), files.bundle(&door, &[])?));
        self.bundles = Door::all(scenario).into_iter().map(bundle).collect::<Result<_>>()?;
        Ok(())
    }

    fn decide(&mut self, scenario: &Scenario, case: &Case) -> Result<Decided> {
        let door = Door::of(scenario, case);
        let bundle = self.bundles.get(&door).context("the scenario was not loaded")?;
        let side = match self.sides.entry(door.egress.then_some(door.address)) {
            Entry::Occupied(side) => side.into_mut(),
            Entry::Vacant(place) => {
                let direction = if door.egress { "egress" } else { "ingress" };
                place.insert(Side::start(direction, self.traffic.behind(&door))?)
            }
        };
        side.load(&door, bundle)?;
        let listener = SocketAddr::new(door.address, side.proxy.listen().port());
        Ok(Decided::traffic(self.traffic.observe(scenario, case, listener)))
    }
}

impl Side {
    fn start(direction: &str, upstream: SocketAddr) -> Result<Side> {
        let dir = tempfile::tempdir().context("cannot make a folder for a bundle")?;
        let bundle = dir.path().join("bundle.json");
        // One listener for every subject and every peer: the address that is connected to is the destination.
        let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let path = bundle.to_string_lossy();
        let proxy = Proxy::start(listen, upstream, &["--bundle", &path, "--direction", direction])?;
        Ok(Side { proxy, bundle, loaded: None, _dir: dir })
    }

    fn load(&mut self, door: &Door, bundle: &str) -> Result<()> {
        if self.loaded.as_ref() != Some(door) {
            write(&self.bundle, bundle)?;
            self.proxy.reload(bundle)?;
            self.loaded = Some(door.clone());
        }
        Ok(())
    }
}
