//! Updates of policy while requests go on.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use postern_tests_harness::raw::{RawConnection, Request};
use serde_json::Value;

use crate::postern::postern;
use crate::tutorial::{APP2, INVENTORY};

/// How long anything may take.
pub const SOON: Duration = Duration::from_secs(30);
/// How often policy is exchanged.
pub const UPDATES: usize = 20;
/// The fewest requests meanwhile.
pub const REQUESTS: usize = 2_000;
/// Connections: more than there are workers, so that each has some.
pub const CLIENTS: usize = 8;
/// Rules beside the ones that are asked about: loading them is what a worker does meanwhile.
pub const RULES: usize = 300;

/// A bundle that lets `/always` and `/{open}` be read.
pub fn bundle(dir: &Path, open: &str) -> Result<Value> {
    let mut text = String::from(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: rule1}\nspec:\n  \
         endpointSelector: {matchLabels: {id: app1}}\n  ingress:\n  - fromEndpoints:\n    - matchLabels: {id: app2}\n    \
         toPorts:\n    - ports: [{port: \"80\", protocol: TCP}]\n      rules:\n        http:\n",
    );
    for rule in 0..RULES {
        text += &format!("        - {{method: GET, path: \"/svc{rule}/v[0-9]+/items/.*\"}}\n");
    }
    for path in ["always", open] {
        text += &format!("        - {{method: GET, path: /{path}}}\n");
    }
    let policy = dir.join(format!("{open}.yaml"));
    fs::write(&policy, text)?;
    let policy = policy.to_str().context("the folder's name is not UTF-8")?;
    let args = [
        "bundle",
        "--policy",
        policy,
        "--inventory",
        INVENTORY,
        "--workload",
        "default/app1",
        "--port",
        "80",
    ];
    let ran = postern(args)?;
    ensure!(ran.code == Some(0), "{ran:#?}");
    ran.json()
}

/// A client with a connection of its own.
#[derive(Debug)]
pub struct Client {
    connection: RawConnection,
}

impl Client {
    /// Connects.
    pub fn new(to: SocketAddr) -> Result<Client> {
        let opened = RawConnection::open(APP2, to, SOON);
        let connection = opened.map_err(|outcome| anyhow!("cannot connect to {to}: {outcome:?}"))?;
        Ok(Client { connection })
    }

    /// The status, and how long it took. Anything but a status is an error.
    pub fn get(&mut self, path: &str) -> Result<(u16, Duration)> {
        let started = Instant::now();
        let request = Request::new("GET", path).header("host", "app1");
        let outcome = self.connection.send(&request.to_bytes(), SOON);
        let status = outcome.status().with_context(|| format!("{path}: {outcome:?}"))?;
        Ok((status, started.elapsed()))
    }
}

/// Requests that go on while policies are exchanged.
#[derive(Debug, Default)]
pub struct Load {
    requests: AtomicUsize,
    errors: AtomicUsize,
    slowest_us: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    /// Asks for what is always allowed, and for what sometimes is, until it is enough.
    pub fn run(&self, to: SocketAddr) -> Result<()> {
        let mut client = Client::new(to)?;
        while !self.enough.load(Ordering::Relaxed) {
            for (path, expected) in [("/always", &[200][..]), ("/a", &[200, 403]), ("/never", &[403])] {
                let (status, time) = client.get(path)?;
                self.requests.fetch_add(1, Ordering::Relaxed);
                let time = usize::try_from(time.as_micros()).unwrap_or(usize::MAX);
                self.slowest_us.fetch_max(time, Ordering::Relaxed);
                if !expected.contains(&status) {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                    println!("{path} was answered with {status}");
                }
            }
        }
        Ok(())
    }

    /// Lets it go on until there were enough requests, and ends it.
    pub fn finish(&self) {
        let started = Instant::now();
        while self.requests() < REQUESTS && started.elapsed() < SOON {
            thread::yield_now();
        }
        self.enough.store(true, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many of them were answered in a way that no policy says.
    pub fn errors(&self) -> usize {
        self.errors.load(Ordering::Relaxed)
    }

    /// What the slowest took.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.slowest_us.load(Ordering::Relaxed)).unwrap_or(u64::MAX))
    }
}
