//! The loop.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::coverage::Reached;
use crate::mutate::{Random, mutate};

/// How long one input may take. A release build with counters needs some milliseconds for the worst.
const SLOW: Duration = Duration::from_secs(2);

/// How long one input may take before it is taken for one that never ends.
const HANGS: Duration = Duration::from_secs(30);

/// What is tried: it must not panic whatever the bytes are.
pub type Target = fn(&[u8]);

/// Runs a target: `SEEDS FINDINGS SECONDS`, or `SEEDS FINDINGS FILE` for one input again.
pub fn run(target: Target) -> ExitCode {
    let outcome = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [seeds, findings, what] => match what.parse() {
            Ok(seconds) => {
                search(target, Path::new(seeds), Path::new(findings), Duration::from_secs(seconds))
            }
            Err(_) => again(target, Path::new(what)),
        },
        _ => Err(anyhow::anyhow!(
            "expected SEEDS FINDINGS and SECONDS or a FILE: `cargo xtask fuzz` gives them"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn again(target: Target, file: &Path) -> Result<()> {
    target(&fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    Ok(())
}

fn search(target: Target, seeds: &Path, findings: &Path, time: Duration) -> Result<()> {
    let mut reached = Reached::new();
    ensure!(reached.has_counters(), "built without coverage counters: run it by `cargo xtask fuzz`");
    fs::create_dir_all(findings).with_context(|| format!("cannot make {}", findings.display()))?;
    let running = findings.join("running");
    let mut corpus = read_seeds(seeds)?;
    let mut random = Random::new(0x5eed);
    let (start, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    watch(done.clone(), running.clone())?;
    for input in &corpus {
        one(target, input, &running, &reached)?;
        reached.add();
        done.fetch_add(1, Ordering::Relaxed);
    }
    let seeds = corpus.len();
    while start.elapsed() < time {
        let input = {
            let parent = corpus.get(random.below(corpus.len())).map_or(&[][..], Vec::as_slice);
            let other = corpus.get(random.below(corpus.len())).map_or(&[][..], Vec::as_slice);
            mutate(parent, other, &mut random)
        };
        one(target, &input, &running, &reached)?;
        done.fetch_add(1, Ordering::Relaxed);
        if reached.add() {
            corpus.push(input);
        }
    }
    fs::remove_file(&running).context("cannot remove the last input")?;
    let (kept, places) = (corpus.len() - seeds, reached.len());
    let runs = done.load(Ordering::Relaxed);
    println!("{runs} inputs, {seeds} seeds, {kept} kept, {places} places reached, nothing found");
    Ok(())
}

/// Ends the process where no input comes to an end any more: the one that hangs stands in the file.
fn watch(done: Arc<AtomicUsize>, running: PathBuf) -> Result<()> {
    let watch = move || {
        let mut last = usize::MAX;
        loop {
            thread::sleep(HANGS);
            let now = done.load(Ordering::Relaxed);
            if now == last {
                eprintln!("error: the input in {} does not end within {HANGS:?}", running.display());
                process::exit(1);
            }
            last = now;
        }
    };
    thread::Builder::new().name("watch".into()).spawn(watch).context("cannot start a thread")?;
    Ok(())
}

/// Runs one input. It stands in a file meanwhile: what ends the process is found there.
fn one(target: Target, input: &[u8], running: &Path, reached: &Reached) -> Result<()> {
    fs::write(running, input).context("cannot write the input")?;
    reached.start();
    let start = Instant::now();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = start.elapsed();
    if outcome.is_err() {
        bail!("the input in {} panics", keep(running, "panic")?.display());
    }
    // A machine that does other things too may be slow once: the second time counts.
    if took > SLOW {
        let start = Instant::now();
        target(input);
        ensure!(start.elapsed() <= SLOW, "the input in {} takes {took:?}", keep(running, "slow")?.display());
    }
    Ok(())
}

fn keep(running: &Path, name: &str) -> Result<PathBuf> {
    let kept = running.with_file_name(name);
    fs::rename(running, &kept).context("cannot keep the input")?;
    Ok(kept)
}

fn read_seeds(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        files.push(entry?.path());
    }
    files.sort();
    ensure!(!files.is_empty(), "{} has no seeds", folder.display());
    files.iter().map(|file| Ok(fs::read(file)?)).collect()
}
