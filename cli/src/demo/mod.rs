//! `postern demo`: the tutorial, end to end, on loopback addresses.

mod app;
mod client;
#[cfg(feature = "cluster")]
mod netns;
mod story;
mod world;

use std::time::Duration;

use anyhow::{Context, bail};
use postern_host::{Protocol, Proxy, Upstream};
use serde::Serialize;
use tokio::sync::{oneshot, watch};

use crate::output::{Format, Outcome, Style, print, print_json};
use crate::proxy::with_filter;
use client::Answer;
use story::Request;
use world::{APP1, DemoWorld, POLICY};

/// How long a worker may take to load a policy.
const LOAD_DEADLINE: Duration = Duration::from_secs(30);

/// Run the tutorial on this machine: three workloads, the policy, the real filter, real requests
///
/// No cluster and no root: the workloads are loopback addresses, the proxy stands in front of app1. With --netns (root) each
/// workload has its own network namespace, and `postern node` guards its device. Exits with 1 if any answer is not what the
/// tutorial says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  postern demo\n  postern demo -o json\n  sudo postern demo --netns")]
pub(crate) struct Args {
    /// One network namespace for each workload, guarded in the kernel; takes root
    #[cfg(feature = "cluster")]
    #[arg(long)]
    netns: bool,
    /// What a process of the demo does inside a namespace
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    inside: netns::InsideArgs,
    /// How the transcript is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// One request and what came of it.
#[derive(Serialize)]
struct Record {
    step: &'static str,
    from: &'static str,
    request: String,
    expected: String,
    got: String,
    reason: String,
    ok: bool,
}

impl Record {
    fn new(request: &Request, answer: &Answer, reason: String) -> Self {
        Self {
            step: request.step,
            from: request.from,
            request: format!("GET {} to port {}", request.path, request.port),
            expected: request.expected().to_string(),
            got: answer.to_string(),
            reason,
            ok: *answer == request.expected(),
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    #[cfg(feature = "cluster")]
    if let Some(outcome) = args.inside.run()? {
        return Ok(outcome);
    }
    let teller = Teller { style: Style::of(&std::io::stdout()), human: args.output == Format::Human };
    #[cfg(feature = "cluster")]
    if args.netns {
        return conclude(args, &teller, &netns::tell(&teller)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let records = runtime.block_on(tell(&teller))?;
    conclude(args, &teller, &records)
}

fn conclude(args: &Args, teller: &Teller, records: &[Record]) -> anyhow::Result<Outcome> {
    let wrong = records.iter().filter(|record| !record.ok).count();
    match args.output {
        Format::Json => print_json(&serde_json::json!({"ok": wrong == 0, "requests": records}))?,
        Format::Human if wrong == 0 => teller.say("Every answer is what the tutorial says.\n")?,
        Format::Human => teller.say(&format!("{wrong} of {} answers are wrong.\n", records.len()))?,
    }
    Ok(if wrong == 0 { Outcome::Ok } else { Outcome::Findings })
}

async fn tell(teller: &Teller) -> anyhow::Result<Vec<Record>> {
    let world = DemoWorld::load()?;
    teller.say(&story::opening(teller.style))?;
    let app = app::start(world.address(APP1)?).await?;
    let upstream = Upstream::new(&app.to_string(), Protocol::Http1)?;
    let (bundles, configuration) = watch::channel(world.bundle(&[])?);
    let listen = (world.address(APP1)?, 0).into();
    let proxy =
        Proxy::bind(with_filter(listen, upstream), configuration).context("the proxy does not start")?;
    let (service, mut status) = (proxy.local_addr(), proxy.config_status());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        proxy.run(async {
            // Either way the demo is over.
            let _ = stopped.await;
        })
    });
    let mut loaded = async |generation: u64| {
        let wait = status.wait(|worker| worker.accepted >= generation && worker.loaded);
        match tokio::time::timeout(LOAD_DEADLINE, wait).await {
            Ok(true) => Ok(()),
            _ => bail!("the filter did not take the policy"),
        }
    };
    // The empty configuration that an instance starts with is not counted.
    loaded(1).await?;
    teller.say(&story::workloads(&world, service)?)?;
    let mut records = Vec::new();
    for request in story::BEFORE {
        records.push(ask(teller, &world, service, request, &[]).await?);
    }

    teller.say(&story::policy(teller.style, POLICY))?;
    let policies = DemoWorld::policies()?;
    bundles.send_replace(world.bundle(&policies)?);
    loaded(2).await?;
    teller.say(&story::applied(teller.style))?;
    for request in story::AFTER {
        records.push(ask(teller, &world, service, request, &policies).await?);
    }
    drop(stop);
    match serving.join() {
        Ok(ended) => ended?,
        Err(_) => bail!("the proxy's thread ended badly"),
    }
    Ok(records)
}

async fn ask(
    teller: &Teller,
    world: &DemoWorld,
    service: std::net::SocketAddr,
    request: &Request,
    policies: &[postern_policy_core::policy::Policy],
) -> anyhow::Result<Record> {
    let from = world.address(request.from)?;
    let answer = client::get(from, service, request.path).await?;
    let reason = world.reason(policies, request)?;
    let ok = answer == request.expected();
    let shown = match &answer {
        Answer::Response { status, body } => format!("{body}   {}", teller.style.dim(&format!("({status})"))),
        Answer::Nothing => teller.style.dim("(nothing: the connection was closed before any byte)"),
    };
    teller.say(&story::exchange(teller.style, request, &shown, &reason, ok))?;
    Ok(Record::new(request, &answer, reason))
}

/// Prints the story as it happens, to people only.
struct Teller {
    style: Style,
    human: bool,
}

impl Teller {
    fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.human { print(text) } else { Ok(()) }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Response { status, body } => write!(f, "{status} {body}"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}
