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

/// How many rules there are, and in how many updates one of them changes.
const SIZES: [u32; 2] = [1_000, 10_000];
const UPDATES: u32 = 20;
/// How long requests go on after the file was changed. An update is there within a part of it.
const WINDOW: Duration = Duration::from_millis(800);
const PATIENCE: Duration = Duration::from_secs(10);
/// What the upstream answers.
const BODY: &[u8] = b"hello";

/// What the requests took around the updates, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Updated {
    pub(super) rules: u32,
    /// The slowest request around each update.
    pub(super) slowest: Vec<f64>,
    /// The median of all requests.
    pub(super) usual: f64,
    pub(super) requests: usize,
}

/// One size after the other. Envoy, which has one worker, and the client share both processors.
pub(super) fn measure(envoy: &Path, sets: &Path) -> Result<Vec<Updated>> {
    let ground = Ground::prepare(Path::new("postern"), envoy)?;
    SIZES.into_iter().map(|rules| of_size(&ground, sets, rules)).collect()
}

fn of_size(ground: &Ground, sets: &Path, rules: u32) -> Result<Updated> {
    let text = |name: String| fs::read_to_string(sets.join(&name)).with_context(|| format!("no {name}"));
    let bundle: Value = serde_json::from_str(&text(format!("bundle-{rules}.json"))?)?;
    let path = text(format!("path-{rules}.txt"))?;
    let discovered = ground.dir.path().join("discovered.json");
    let publish = |update: u32| {
        let filter = envoy::wasm("http", HTTP, &sets.join("postern.wasm"), &changed(&bundle, update)?);
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
    let (mut slowest, mut all) = (Vec::new(), Vec::new());
    for update in 1..=UPDATES {
        eprintln!("{rules} rules, update {update} of {UPDATES}");
        publish(update)?;
        let (begin, before) = (Instant::now(), all.len());
        while begin.elapsed() < WINDOW {
            let (allowed, took) = client.ask(&path)?;
            ensure!(allowed, "{path} was denied during update {update}");
            all.push(took.as_secs_f64() * 1e3);
        }
        slowest.push(all.iter().skip(before).copied().fold(0.0, f64::max));
        // The update was there, or what was measured is nothing.
        for (update, allowed) in [(update, true), (update - 1, false)] {
            let (found, _) = client.ask(&changed_path(update))?;
            ensure!(found == allowed, "update {update} took longer than {WINDOW:?}");
        }
    }
    all.sort_by(f64::total_cmp);
    let usual = all.get(all.len() / 2).copied().context("no request was made")?;
    Ok(Updated { rules, slowest, usual, requests: all.len() })
}

fn changed_path(update: u32) -> String {
    format!("/changed/{update}")
}

/// The bundle with another path in its first HTTP rule.
fn changed(bundle: &Value, update: u32) -> Result<String> {
    let mut bundle = bundle.clone();
    let rules = bundle.pointer_mut("/endpoints/0/ingress/rules").and_then(Value::as_array_mut);
    let path = rules
        .and_then(|rules| rules.iter_mut().find_map(|rule| rule.pointer_mut("/action/http/0/path")))
        .context("the bundle has no HTTP rule")?;
    *path = json!(changed_path(update));
    Ok(bundle.to_string())
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

    /// Waits until a path is allowed or not.
    fn until(&mut self, path: &str, allowed: bool, subject: &Subject) -> Result<()> {
        let begin = Instant::now();
        while self.ask(path)?.0 != allowed {
            ensure!(begin.elapsed() < PATIENCE, "{}: {path} is not decided as it should be", subject.name);
        }
        Ok(())
    }
}
