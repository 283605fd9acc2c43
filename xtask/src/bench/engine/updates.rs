//! What an update costs the requests that meet it: Envoy takes new rules from a file while a client asks on and on.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::envoy;
use super::subjects::HTTP;
use crate::bench::subject::{Ground, Subject, free};

/// How many rules there are, which of them change, and how many updates there are.
const SIZES: [u32; 2] = [1_000, 10_000];
const CHANGES: [Changes; 2] = [Changes::One, Changes::All];
const UPDATES: u32 = 20;
/// How long requests go on after the file was changed. An update is there within a part of it.
const WINDOW: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(10);
/// What the upstream answers.
const BODY: &[u8] = b"hello";

/// Which rules an update changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Changes {
    One,
    /// All but the one that is asked for.
    All,
}

/// What the requests took around the updates, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Updated {
    pub(super) rules: u32,
    pub(super) changes: Changes,
    /// The slowest request of as long a time before each update, without any.
    pub(super) quiet: Vec<f64>,
    /// The slowest request around each update.
    pub(super) slowest: Vec<f64>,
    /// The median of all requests.
    pub(super) usual: f64,
    pub(super) requests: usize,
}

/// One size after the other. Envoy, which has one worker, and the client share both processors.
pub(super) fn measure(envoy: &Path, sets: &Path) -> Result<Vec<Updated>> {
    let ground = Ground::prepare(Path::new("postern"), envoy)?;
    let all = CHANGES.into_iter().flat_map(|changes| SIZES.map(|rules| (rules, changes)));
    all.map(|(rules, changes)| of_kind(&ground, sets, rules, changes)).collect()
}

fn of_kind(ground: &Ground, sets: &Path, rules: u32, changes: Changes) -> Result<Updated> {
    let text = |name: String| fs::read_to_string(sets.join(&name)).with_context(|| format!("no {name}"));
    let bundle: Value = serde_json::from_str(&text(format!("bundle-{rules}.json"))?)?;
    let path = text(format!("path-{rules}.txt"))?;
    let discovered = ground.dir.path().join("discovered.json");
    let publish = |update: u32| {
        let bundle = changed(&bundle, update, rules, changes)?;
        let filter = envoy::wasm("http", HTTP, &sets.join("postern.wasm"), &bundle);
        let text = envoy::discovery(update, &filter).to_string();
        // Envoy sees a file that is moved, not one that is written.
        let new = discovered.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &discovered)).context("cannot write the filter")
    };
    publish(0)?;
    let listen = free(Ipv4Addr::new(127, 0, 10, 1))?;
    let config = envoy::bootstrap(listen, ground.upstream, None, Some(envoy::discovered(HTTP, &discovered)));
    let subject = ground.envoy_on("0,1", "Envoy, updates", &config.to_string(), listen)?;
    let mut client = Client::new(listen)?;
    client.until(&changed_path(0), true, &subject)?;
    let (mut quiet, mut slowest, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for update in 1..=UPDATES {
        eprintln!("{rules} rules, {} of them new, update {update} of {UPDATES}", changes.name());
        quiet.push(client.ask_on(&path, &mut all)?);
        publish(update)?;
        slowest.push(client.ask_on(&path, &mut all)?);
        // The update was there, or what was measured is nothing.
        for (update, allowed) in [(update, true), (update - 1, false)] {
            let (found, _) = client.ask(&changed_path(update))?;
            ensure!(found == allowed, "update {update} took longer than {WINDOW:?}");
        }
    }
    all.sort_by(f64::total_cmp);
    let usual = all.get(all.len() / 2).copied().context("no request was made")?;
    Ok(Updated { rules, changes, quiet, slowest, usual, requests: all.len() })
}

fn changed_path(update: u32) -> String {
    format!("/changed/{update}")
}

/// The bundle with another path in its first HTTP rule, or in each but the one in the middle, which is asked for.
fn changed(bundle: &Value, update: u32, rules: u32, changes: Changes) -> Result<String> {
    let mut bundle = bundle.clone();
    let rules_of_it = bundle.pointer_mut("/endpoints/0/ingress/rules").and_then(Value::as_array_mut);
    let http = rules_of_it.into_iter().flatten().filter_map(|rule| rule.pointer_mut("/action/http"));
    let paths = http.filter_map(Value::as_array_mut).flatten().filter_map(|rule| rule.get_mut("path"));
    let mut seen = 0;
    for (place, path) in (0_u32..).zip(paths) {
        seen = place + 1;
        match (place, changes) {
            (0, _) => *path = json!(changed_path(update)),
            (_, Changes::One) => {}
            (_, Changes::All) if place == rules / 2 => {}
            (_, Changes::All) => {
                *path = json!(format!("/edition{update}{}", path.as_str().unwrap_or_default()));
            }
        }
    }
    ensure!(seen == rules, "the bundle has {seen} HTTP rules with a path, expected {rules}");
    Ok(bundle.to_string())
}

impl Changes {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::All => "all",
        }
    }
}

/// One connection, kept alive.
struct Client {
    stream: TcpStream,
    host: SocketAddr,
}

impl Client {
    fn new(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host).context("cannot connect to Envoy")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, host })
    }

    /// Whether a path is allowed, and how long the answer took.
    fn ask(&mut self, path: &str) -> Result<(bool, Duration)> {
        let begin = Instant::now();
        write!(self.stream, "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)?;
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.stream.read(&mut buffer).context("Envoy did not answer")?;
            ensure!(read > 0, "Envoy closed the connection");
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if answer.ends_with(BODY) || answer.ends_with(b"Access denied\r\n") {
                return Ok((answer.starts_with(b"HTTP/1.1 200"), begin.elapsed()));
            }
        }
    }

    /// Asks for a path on and on, and notes what each request took. The slowest of them.
    fn ask_on(&mut self, path: &str, all: &mut Vec<f64>) -> Result<f64> {
        let (begin, before) = (Instant::now(), all.len());
        while begin.elapsed() < WINDOW {
            let (allowed, took) = self.ask(path)?;
            ensure!(allowed, "{path} was denied");
            all.push(took.as_secs_f64() * 1e3);
        }
        Ok(all.iter().skip(before).copied().fold(0.0, f64::max))
    }

    /// Waits until a path is allowed or not.
    fn until(&mut self, path: &str, allowed: bool, subject: &Subject) -> Result<()> {
        let begin = Instant::now();
        while self.ask(path)?.0 != allowed {
            ensure!(begin.elapsed() < PATIENCE, "{}: {path} is not decided as it should be", subject.name);
        }
        Ok(())
    }
}
