//! The agent is killed, comes back, is started twice, and cleans up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use postern_tests_e2e::node::{Echo, Policy, World};
use postern_tests_e2e::proxy::SOON;
use postern_tests_harness::raw::{RawConnection, Request};
use postern_tests_harness::{RawClient, RawOutcome};

use crate::policies::{TUTORIAL, policy};
use crate::support::{Stream, as_nobody, is_denied, is_dropped, passes};

/// Requests one after the other until it is told to stop; each must come to the same.
struct Steady {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(Vec<String>, Duration)>>,
}

impl Steady {
    fn start(
        place: &postern_tests_e2e::node::Place,
        mut request: impl FnMut() -> Option<String> + Send + 'static,
    ) -> Self {
        let (done, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (Arc::clone(&done), Arc::clone(&stop));
        let thread = place.spawn(move || {
            let (mut wrong, mut slowest) = (Vec::new(), Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                wrong.extend(request());
                slowest = slowest.max(begun.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
            }
            (wrong, slowest)
        });
        Self { done, stop, thread }
    }

    /// Waits until so many more have come to an end.
    fn more(&self, count: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        postern_tests_harness::eventually(SOON, || {
            anyhow::ensure!(self.done.load(Ordering::Relaxed) >= wanted, "requests do not come to an end");
            Ok(())
        })
        .unwrap();
    }

    fn finish(self, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let (wrong, slowest) = self.thread.join().unwrap().unwrap();
        println!(
            "{what}: {} requests, {} wrong, slowest {slowest:?}",
            self.done.load(Ordering::Relaxed),
            wrong.len()
        );
        assert_eq!(wrong, Vec::<String>::new(), "{what}");
    }
}

fn unexpected(outcome: &RawOutcome, status: Option<u16>) -> Option<String> {
    (outcome.status() != status).then(|| format!("{outcome:?}"))
}

#[test]
fn enforcement_has_no_gap() {
    let plain = policy(
        "plain",
        "app1",
        "ingress: [{fromEndpoints: [{matchLabels: {id: app2}}], toPorts: [{ports: [{port: '7'}]}]}]",
    );
    let mut world = World::start(Policy(&(TUTORIAL.to_owned() + "---\n" + &plain))).unwrap();
    let http = world.app1().serve(80).unwrap();
    let echo = Echo::start(world.app1().place(), 7).unwrap();
    let addresses = world.app1().addresses();
    let bytes = |path: &str| {
        Request::new("GET", path).header("host", "app1").header("connection", "close").to_bytes()
    };
    let mut steady = Vec::new();
    for to in addresses {
        let (from, http) = (world.app2().address_like(to), (to, 80).into());
        for (what, path, status) in [("allowed", "/public", 200), ("denied", "/private", 403)] {
            let request = bytes(path);
            let ask = move || unexpected(&RawClient::request(from, http, &request, SOON), Some(status));
            steady.push((what, Steady::start(world.app2().place(), ask)));
        }
        let keep = Request::new("GET", "/public").header("host", "app1").to_bytes();
        let mut kept = None;
        let ask = move || {
            let connection = kept.get_or_insert_with(|| RawConnection::open(from, http, SOON).unwrap());
            unexpected(&connection.send(&keep, SOON), Some(200))
        };
        steady.push(("kept open", Steady::start(world.app2().place(), ask)));
        let mut stream = Stream::open(world.app2().place(), (to, 7).into());
        let ask = move || (!stream.echoes(b"ping", SOON)).then(|| "no echo".to_owned());
        steady.push(("a stream", Steady::start(world.app2().place(), ask)));
        let (from, request) = (world.app3().address_like(to), bytes("/public"));
        let ask = move || {
            let outcome = RawClient::request(from, http, &request, Duration::from_millis(100));
            (outcome != RawOutcome::Timeout).then(|| format!("{outcome:?}"))
        };
        steady.push(("dropped", Steady::start(world.app3().place(), ask)));
    }
    let more = |steady: &[(&str, Steady)]| steady.iter().for_each(|(_, steady)| steady.more(10));
    more(&steady);
    drop(world.agent.take());
    more(&steady);
    let begun = Instant::now();
    world.start_agent().unwrap();
    println!("the agent is back after {:?}", begun.elapsed());
    more(&steady);
    // It is the same policy: the agent found it in force, and new ones are taken.
    world.load(Policy(&(plain.clone() + TUTORIAL))).unwrap();
    more(&steady);
    for (what, steady) in steady {
        steady.finish(what);
    }
    assert!(http.seen().iter().all(|seen| seen.path == "/public"));
    for to in addresses {
        let app3 = world.app3().address_like(to);
        assert!(http.seen().iter().all(|seen| seen.peer.ip().to_canonical() != app3));
        let app2 = world.app2().address_like(to);
        let dropped: Vec<_> = world
            .flows()
            .unwrap()
            .into_iter()
            .filter(|flow| flow.get("verdict") == "dropped" && flow.is_between(app2, to))
            .collect();
        assert!(dropped.is_empty(), "{dropped:#?}");
    }
    drop(echo);
}

#[test]
fn while_it_is_gone_everything_goes_on() {
    let mut world = World::start(Policy(TUTORIAL)).unwrap();
    let (http, other) = (world.app1().serve(80).unwrap(), world.app1().serve(8080).unwrap());
    drop(world.agent.take());
    for to in world.app1().addresses() {
        passes(world.app2(), &http, (to, 80).into(), "/public");
        is_denied(world.app2(), &http, (to, 80).into(), "/private");
        is_dropped(world.app3(), &http, (to, 80).into());
        is_dropped(world.app2(), &other, (to, 8080).into());
    }
    // What happened meanwhile is told by the next one.
    world.start_agent().unwrap();
    let (from, to) = (world.app3().addresses()[0], world.app1().addresses()[0]);
    world
        .wait_for_flow("the drop", |flow| flow.is_drop("policy-denied") && flow.is_between(from, to))
        .unwrap();
}

#[test]
fn a_second_agent_and_cleanup() {
    let mut world = World::start(Policy(TUTORIAL)).unwrap();
    let http = world.app1().serve(80).unwrap();
    let output = world.agent_command(world.bpffs()).unwrap().output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("another agent is using") && error.contains("stop it first"), "{error}");
    let busy = world.cleanup().unwrap();
    assert_eq!(busy.code, Some(3), "{busy:?}");
    assert!(busy.stderr.contains("another agent is using") && busy.is_presentable(), "{busy:?}");
    for to in world.app1().addresses() {
        is_denied(world.app2(), &http, (to, 80).into(), "/private");
        is_dropped(world.app3(), &http, (to, 80).into());
    }

    // Ended in good order, it leaves everything in force too.
    let mut agent = world.agent.take().unwrap();
    agent.signal("TERM").unwrap();
    assert_eq!(agent.wait_for_exit().unwrap(), Some(0), "{}", agent.log());
    let nobody = as_nobody(&["node", "cleanup"], world.bpffs());
    let error = String::from_utf8_lossy(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(3), "{error}");
    for to in world.app1().addresses() {
        is_dropped(world.app3(), &http, (to, 80).into());
        is_denied(world.app2(), &http, (to, 80).into(), "/private");
    }
    let cleaned = world.cleanup().unwrap();
    assert_eq!(cleaned.code, Some(0), "{cleaned:?}");
    assert!(!world.bpffs().exists());
    for to in world.app1().addresses() {
        for from in [world.app2(), world.app3()] {
            passes(from, &http, (to, 80).into(), "/private");
        }
    }
    let ip = |words: &'static str| {
        let command = move || std::process::Command::new("ip").args(words.split(' ')).output().unwrap();
        String::from_utf8(world.node().run(command).unwrap().stdout).unwrap()
    };
    for family in ["-4 rule", "-6 rule"] {
        let rules = ip(family);
        assert!(!rules.contains("0x200"), "{rules}");
    }
    for family in ["-4 route show table all", "-6 route show table all"] {
        let routes = ip(family);
        assert!(!routes.contains("table 2004"), "{routes}");
    }
    let again = world.cleanup().unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
}
