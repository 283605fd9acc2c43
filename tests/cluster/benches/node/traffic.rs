//! Load between the pods, with one subject after the other between them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};

use crate::datapath::{Guard, Times};
use crate::ground::Place;
use crate::nft;
use crate::peer::{Done, FLOWS, Load};
use crate::policy::SIZES;
use crate::samples::Samples;
use crate::subject::{InForce, Subject, Who};
use crate::usage;

const LOADS: [Load; 3] = [Load::Stream, Load::Requests, Load::Connections];
/// Where the ports of new flows begin.
const FIRST_PORT: u16 = 10_000;
/// No turn begins after this.
const BUDGET: Duration = Duration::from_secs(120);

/// Everything that was measured between the pods.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) traffic: Vec<Row>,
    pub(crate) programs: Vec<Programs>,
}

/// One subject under one load; a sample for each turn. What is counted are MiB, transactions or connections.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) load: Load,
    pub(crate) subject: Who,
    pub(crate) entries: Option<u32>,
    pub(crate) per_second: Samples,
    /// Of client, server, the kernel's network threads, and the reader of events; microseconds for each.
    pub(crate) cpu_us: Samples,
    /// Of the whole machine, whoever used it; microseconds for each.
    pub(crate) machine_us: Samples,
}

/// Nanoseconds for each run of our programs, with one policy; a sample for each turn.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Programs {
    pub(crate) entries: u32,
    pub(crate) established_from: Samples,
    pub(crate) established_to: Samples,
    pub(crate) new_from: Samples,
    pub(crate) new_to: Samples,
    pub(crate) unread_from: Samples,
    pub(crate) unread_to: Samples,
    pub(crate) test_established: Samples,
    pub(crate) test_new: Samples,
}

/// Measures. This process has to be in the node's namespace.
pub(crate) fn measure(place: &Place, turns: u8, millis: u16) -> Result<Measured> {
    nft::make_sets(place)?;
    let subjects = Subject::all();
    let programs = SIZES.map(|size| Programs { entries: size.entries(), ..Programs::default() });
    let mut measured = Measured { traffic: Vec::new(), programs: programs.into() };
    for load in LOADS {
        measured.traffic.extend(subjects.iter().map(|subject| Row::new(load, *subject)));
    }
    let begin = Instant::now();
    // The first turn only warms up.
    for turn in 0..=turns {
        if begin.elapsed() > BUDGET {
            eprintln!("the time is up after {} turns of {turns}", turn - 1);
            break;
        }
        eprintln!("turn {turn} of {turns}");
        for subject in &subjects {
            let (who, entries) = subject.name();
            let failed = || format!("{who}, {} entries", entries.unwrap_or(0));
            let mut in_force = subject.apply(place).with_context(failed)?;
            for load in LOADS {
                let result = under(place, load, millis).with_context(failed)?;
                let row = measured.traffic.iter_mut().find(|row| row.is(load, who, entries));
                if let Some(row) = row.filter(|_| turn > 0) {
                    row.take(&result);
                }
            }
            if let (InForce::Postern(guard), Some(entries)) = (&mut in_force, entries) {
                let times = run_times(guard, place, millis).with_context(failed)?;
                if let Some(programs) = measured.of_programs(entries).filter(|_| turn > 0) {
                    programs.take(&times);
                }
            }
        }
    }
    ensure!(measured.traffic.iter().all(|row| row.cpu_us.len() > 0), "the time was up before the first turn");
    Ok(measured)
}

/// What one stretch of load took.
struct Stretch {
    done: Done,
    cpu: f64,
    machine: f64,
}

fn under(place: &Place, load: Load, millis: u16) -> Result<Stretch> {
    let others = || -> Result<Duration> {
        let mut sum = usage::of_process(&place.process.to_string())? + usage::of_process("self")?;
        for thread in usage::network_threads()? {
            sum += usage::of_process(&thread)?;
        }
        Ok(sum)
    };
    let (before, machine) = (others()?, usage::of_machine()?);
    let done = ask(place, load, millis, FIRST_PORT)?;
    let (cpu, machine) = (others()?.saturating_sub(before), usage::of_machine()?.saturating_sub(machine));
    Ok(Stretch { cpu: done.cpu + cpu.as_secs_f64(), machine: machine.as_secs_f64(), done })
}

fn ask(place: &Place, load: Load, millis: u16, first_port: u16) -> Result<Done> {
    let name = load.to_possible_value().context("the load has no name")?;
    let mut command = place.client.command(place.core)?;
    command.args(["load", name.get_name(), &place.server.socket().to_string(), &millis.to_string()]);
    command.arg(first_port.to_string());
    let output =
        command.stderr(std::process::Stdio::inherit()).output().context("cannot start the client")?;
    ensure!(output.status.success(), "the client failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("cannot read what the client measured")
}

/// What one turn says of our programs.
struct Turn {
    established: Times,
    new: Times,
    unread: Times,
    test_runs: [f64; 2],
}

fn run_times(guard: &mut Guard, place: &Place, millis: u16) -> Result<Turn> {
    let ask = |load, first_port| ask(place, load, millis, first_port).map(drop);
    let established = guard.times(|| ask(Load::Requests, FIRST_PORT))?;
    let new = guard.times(|| ask(Load::Flows, FIRST_PORT))?;
    guard.stop_reading();
    let unread = guard.times(|| ask(Load::Flows, FIRST_PORT + FLOWS))?;
    Ok(Turn { established, new, unread, test_runs: guard.test_runs()? })
}

impl Measured {
    fn of_programs(&mut self, entries: u32) -> Option<&mut Programs> {
        self.programs.iter_mut().find(|programs| programs.entries == entries)
    }
}

impl Programs {
    fn take(&mut self, turn: &Turn) {
        let Turn { established, new, unread, test_runs: [test_established, test_new] } = turn;
        self.established_from.push(established.from_endpoint);
        self.established_to.push(established.to_endpoint);
        self.new_from.push(new.from_endpoint);
        self.new_to.push(new.to_endpoint);
        self.unread_from.push(unread.from_endpoint);
        self.unread_to.push(unread.to_endpoint);
        self.test_established.push(*test_established);
        self.test_new.push(*test_new);
    }
}

impl Row {
    fn new(load: Load, subject: Subject) -> Self {
        let (subject, entries) = subject.name();
        let none = Samples::default;
        Self { load, subject, entries, per_second: none(), cpu_us: none(), machine_us: none() }
    }

    fn is(&self, load: Load, subject: Who, entries: Option<u32>) -> bool {
        (self.load, self.subject, self.entries) == (load, subject, entries)
    }

    fn take(&mut self, stretch: &Stretch) {
        let count = stretch.done.count as f64 / if self.load == Load::Stream { 1024.0 * 1024.0 } else { 1.0 };
        self.per_second.push(count / stretch.done.seconds);
        self.cpu_us.push(stretch.cpu * 1e6 / count);
        self.machine_us.push(stretch.machine * 1e6 / count);
    }
}
