//! The agent's loop: one task owns the kernel's tables, everything else sends to it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use postern_node::agent::{Agent, AgentConfig, ApplyError, Desired, Problem};
use postern_node::datapath::{Datapath, DatapathError, Reason};
use postern_node::devices::Devices;
use postern_node::steer::{self, Plan};
use postern_ops::{Sample, SampleValue};
use postern_policy_wire::Bundle;
use postern_xds::client::Client;
use tokio::sync::{mpsc, oneshot, watch};

use super::flow_log::{FlowLog, Sink};
use super::trouble::Trouble;
use super::{Run, admin};
use crate::config_file::{self, Source, State};
use crate::follow::{follow, node_bundle};
use crate::output::Outcome;
use crate::proxy::Signals;

/// How often everything is compared with the kernel and put right, and counters are read.
const REPAIR: Duration = Duration::from_secs(10);
const COUNT: Duration = Duration::from_secs(1);
/// A workload's address may be known before its device is there.
const DEVICE_DEADLINE: Duration = Duration::from_secs(5);

/// Where it comes from what is to be enforced.
pub(super) enum Wanted {
    /// And what they hold at first.
    Files(Source, State, Bytes),
    Controller(Client),
}

/// Something to enforce, and who wants to know what became of it.
type Order = (Desired, oneshot::Sender<Result<(), ApplyError>>);

pub(super) async fn run(args: &Run) -> anyhow::Result<Outcome> {
    let mut signals = Signals::new()?;
    // Whatever may be wrong with the arguments is found before anything is left in the kernel.
    let wanted = args.wanted()?;
    let sink = args.flows.as_deref().map(Sink::open).transpose()?;
    let admin = match args.admin {
        Some(address) => Some(admin::bind(address).await?),
        None => None,
    };
    let mut datapath = Datapath::open(&args.bpffs)?;
    let flow_log = FlowLog::new(datapath.events()?, sink)?;
    // Routes before programs: a program that marks packets leads them astray without them.
    steer::apply(&Plan::for_this_machine()).await?;
    datapath.attach_steering()?;
    let (devices, changes) = Devices::open()?;
    let config = AgentConfig {
        devices: args.device.iter().cloned().collect(),
        uplinks: args.uplink.clone(),
        // A controller sends what is this node's; files may speak of all.
        others_elsewhere: matches!(wanted, Wanted::Files(..)),
    };
    let agent = Agent::new(config, datapath, devices);
    let (samples, sampled) = watch::channel(Vec::new());
    if let Some(listener) = admin {
        admin::serve(listener, agent.status(), sampled)?;
    }
    tracing::info!(bpffs = %args.bpffs.display(), "the node is up; what was enforced before still is");
    let (orders, ordered) = mpsc::channel(1);
    let daemon = Daemon { agent, desired: None, names: HashMap::new(), changes, samples };
    let Signals { terminate, interrupt, hangup } = &mut signals;
    tokio::select! {
        ended = daemon.run(ordered, flow_log) => ended?,
        ended = orders_from(wanted, orders, hangup) => ended?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the agent ends; what is enforced stays so (`postern node cleanup` removes it)");
    Ok(Outcome::Ok)
}

/// Sends what is wanted, as it changes.
async fn orders_from(
    wanted: Wanted,
    orders: mpsc::Sender<Order>,
    hangup: &mut tokio::signal::unix::Signal,
) -> anyhow::Result<()> {
    match wanted {
        Wanted::Files(source, state, first) => {
            let (bundles, mut news) = watch::channel(first);
            news.mark_changed();
            let applied = async {
                while news.changed().await.is_ok() {
                    let bundle = news.borrow_and_update().clone();
                    if let Err(error) = order_bytes(&orders, &bundle).await {
                        tracing::error!("{error:#}");
                    }
                }
            };
            tokio::select! {
                () = applied => {}
                () = config_file::follow(source, state, bundles, hangup) => {}
            }
            Ok(())
        }
        Wanted::Controller(client) => {
            let orders = &orders;
            match follow(client, |mut snapshot| async move {
                let services = std::mem::take(&mut snapshot.services);
                order(orders, Desired::new(node_bundle(snapshot), services)?).await
            })
            .await {}
        }
    }
}

async fn order_bytes(orders: &mpsc::Sender<Order>, bundle: &Bytes) -> anyhow::Result<()> {
    let bundle: Bundle = serde_json::from_slice(bundle)?;
    order(orders, Desired::new(bundle, Vec::new())?).await
}

async fn order(orders: &mpsc::Sender<Order>, desired: Desired) -> anyhow::Result<()> {
    let (reply, replied) = oneshot::channel();
    orders.send((desired, reply)).await.map_err(|_| anyhow!("the agent is ending"))?;
    Ok(replied.await.context("the agent is ending")??)
}

struct Daemon {
    agent: Agent,
    desired: Option<Desired>,
    /// The endpoints by their numbers in events.
    names: HashMap<u32, String>,
    changes: watch::Receiver<u64>,
    samples: watch::Sender<Vec<Sample>>,
}

impl Daemon {
    /// Ends when nobody sends orders any more. What fails meanwhile is said and tried again: what is pinned is enforced
    /// without this process, but only it can take a new policy.
    async fn run(mut self, mut ordered: mpsc::Receiver<Order>, mut flow_log: FlowLog) -> anyhow::Result<()> {
        let mut steering = Trouble::new("cannot look after the routing rules");
        let mut counting = Trouble::new("cannot read the counters");
        let mut writing = Trouble::new("cannot write flows");
        let mut repair = tokio::time::interval(REPAIR);
        let mut count = tokio::time::interval(COUNT);
        loop {
            tokio::select! {
                order = ordered.recv() => match order {
                    Some((desired, reply)) => {
                        self.desired = Some(desired);
                        let applied = self.apply_new().await;
                        report(&applied);
                        // Whoever asked may have gone.
                        let _ = reply.send(applied);
                    }
                    None => return Ok(()),
                },
                _ = self.changes.changed() => self.apply_again().await,
                _ = repair.tick() => {
                    steering.note(steer::apply(&Plan::for_this_machine()).await);
                    self.apply_again().await;
                }
                _ = count.tick() => {
                    counting.note(self.count());
                }
                written = flow_log.write_some(&self.names) => {
                    writing.note(written);
                }
            }
        }
    }

    /// Applies what is desired; where only a device is missing, waits for it a little.
    async fn apply_new(&mut self) -> Result<(), ApplyError> {
        let deadline = tokio::time::Instant::now() + DEVICE_DEADLINE;
        loop {
            let applied = self.apply().await;
            let only_devices = |ApplyError(problems): &ApplyError| {
                problems.iter().all(|problem| matches!(problem, Problem::NoDevice { .. }))
            };
            let waits = applied.as_ref().is_err_and(only_devices);
            if !waits || tokio::time::timeout_at(deadline, self.changes.changed()).await.is_err() {
                return applied;
            }
        }
    }

    async fn apply_again(&mut self) {
        if self.desired.is_some() {
            let before = self.agent.status().borrow().problems.clone();
            let applied = self.apply().await;
            if self.agent.status().borrow().problems != before {
                report(&applied);
            }
        }
    }

    async fn apply(&mut self) -> Result<(), ApplyError> {
        let Some(desired) = &self.desired else { return Ok(()) };
        let applied = self.agent.apply(desired).await;
        let status = self.agent.status();
        let named = status
            .borrow()
            .endpoints
            .iter()
            .filter_map(|endpoint| Some((endpoint.device?, endpoint.name.clone())))
            .collect();
        self.names = named;
        applied
    }

    fn count(&mut self) -> Result<(), DatapathError> {
        let sample = |counted: postern_node::datapath::Counted| {
            let what = if counted.reason == Reason::FORWARDED { "packets" } else { "dropped" };
            Sample {
                name: format!("postern_node_{what}_{}_total", counted.reason.name()),
                labels: Vec::new(),
                value: SampleValue::Counter(counted.packets),
            }
        };
        self.samples.send_replace(self.agent.datapath().counters()?.into_iter().map(sample).collect());
        Ok(())
    }
}

fn report(applied: &Result<(), ApplyError>) {
    match applied {
        Ok(()) => tracing::info!("everything that is wanted is enforced"),
        Err(ApplyError(problems)) => {
            for problem in problems {
                tracing::error!("{problem}");
            }
        }
    }
}
