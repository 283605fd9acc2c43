//! From a change of policy to its effect, through a real API server, in a cluster of two nodes.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use postern_tests_cluster::{Cluster, Options};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::probe::Change;
use crate::samples::Samples;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const PORT: u16 = 80;
const POLICY: &str = "bench";
/// How long starting, and a single change, may take.
const SOON: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(15);
/// No change begins after this.
const BUDGET: Duration = Duration::from_secs(70);

/// How long changes took, in milliseconds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Enforced {
    /// Until the API server had answered.
    pub(crate) accepted_ms: Samples,
    /// Until connections began to come about, where the change allows them.
    pub(crate) opened_ms: Samples,
    /// Until connections ended to come about, where it does not.
    pub(crate) closed_ms: Samples,
    /// Both.
    pub(crate) effective_ms: Samples,
    /// Until the policy's status said that every node has it.
    pub(crate) reported_ms: Samples,
}

/// Starts the cluster, changes a policy so often, and removes the cluster.
pub(crate) fn measure(changes: u16) -> Result<Enforced> {
    let cluster = Cluster::start(&Options { progress: true, ..Options::new(PROGRAM) })?;
    let prepared = prepare(&cluster).and_then(|prober| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(change_and_wait(&cluster, prober, changes))
    });
    prepared.inspect_err(|_| cluster.dump_logs())
}

/// A process that reports changes, and ends with the value.
struct Prober {
    child: Child,
    changes: UnboundedReceiver<Change>,
}

impl Drop for Prober {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on one node, and a client on the other that connects again and again.
fn prepare(cluster: &Cluster) -> Result<Prober> {
    cluster.apply(&pod("server", "node1", "postern.dev/demo-app").to_string())?;
    cluster.apply(&pod("client", "node2", "postern.dev/client").to_string())?;
    cluster.wait_for_pods("id=server", 1, SOON)?;
    cluster.wait_for_pods("id=client", 1, SOON)?;
    let address = cluster.kubectl(&["get", "pod", "server", "-o", "jsonpath={.status.podIP}"])?;
    let server = SocketAddr::new(address.parse().context("the server has no address")?, PORT);
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command =
        cluster.command("client", own.to_str().context("the path of this program is not UTF-8")?)?;
    let child = command.args(["probe", &server.to_string()]).stdout(Stdio::piped()).spawn();
    let (sender, changes) = mpsc::unbounded_channel();
    let mut prober = Prober { child: child.context("cannot start the prober")?, changes };
    let output = prober.child.stdout.take().context("the prober has no output")?;
    std::thread::Builder::new().name("prober".to_owned()).spawn(move || {
        // It ends with the prober's output.
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(change) => drop(sender.send(change)),
                Err(error) => eprintln!("the prober said {line:?}: {error}"),
            }
        }
    })?;
    Ok(prober)
}

async fn change_and_wait(cluster: &Cluster, mut prober: Prober, changes: u16) -> Result<Enforced> {
    let policies = policies(cluster).await?;
    wait_for(&mut prober.changes, "connections", |change| change.open).await?;
    let first: DynamicObject = serde_json::from_value(policy(true))?;
    let first = policies.create(&kube::api::PostParams::default(), &first).await?;
    let version = first.metadata.resource_version.context("the policy has no version")?;
    let (sender, mut reports) = mpsc::unbounded_channel();
    let watch = watch(policies.clone(), version, sender);
    let work = async {
        wait_for(&mut reports, "the first report", |_| true).await?;
        let mut enforced = Enforced::default();
        let begin = Instant::now();
        for change in 0..changes {
            if begin.elapsed() > BUDGET {
                eprintln!("the time is up after {change} changes of {changes}");
                break;
            }
            let open = change % 2 == 1;
            enforced.take(&policies, open, &mut prober.changes, &mut reports).await?;
        }
        ensure!(enforced.effective_ms.len() > 0, "no change took effect");
        Ok(enforced)
    };
    tokio::select! {
        ended = watch => {
            ended.context("the watch on the policy failed")?;
            anyhow::bail!("the watch on the policy ended")
        }
        enforced = work => enforced,
    }
}

impl Enforced {
    async fn take(
        &mut self,
        policies: &Api<DynamicObject>,
        open: bool,
        effects: &mut UnboundedReceiver<Change>,
        reports: &mut UnboundedReceiver<Report>,
    ) -> Result<()> {
        let patch = json!({"spec": policy(open).get("spec")});
        let begin = SystemTime::now();
        let changed = policies.patch(POLICY, &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.accepted_ms.push(millis(begin, SystemTime::now())?);
        let generation = changed.metadata.generation.context("the policy has no generation")?;
        let what = if open { "connections to begin" } else { "connections to end" };
        let effect = wait_for(effects, what, |effect| effect.open == open && effect.at >= begin).await?;
        let report = wait_for(reports, "the report", |report| report.generation >= generation).await?;
        let effective = millis(begin, effect.at)?;
        if open { &mut self.opened_ms } else { &mut self.closed_ms }.push(effective);
        self.effective_ms.push(effective);
        self.reported_ms.push(millis(begin, report.at)?);
        Ok(())
    }
}

/// The policy's status says that this generation is in force everywhere.
#[derive(Debug, Clone, Copy)]
struct Report {
    generation: i64,
    at: SystemTime,
}

async fn watch(
    policies: Api<DynamicObject>,
    version: String,
    reports: UnboundedSender<Report>,
) -> Result<()> {
    let params = WatchParams::default().fields(&format!("metadata.name={POLICY}"));
    let mut events = policies.watch(&params, &version).await?.boxed();
    while let Some(event) = events.try_next().await? {
        let WatchEvent::Modified(policy) = event else { continue };
        let conditions = policy.data.pointer("/status/conditions").and_then(Value::as_array);
        let enforced = conditions.into_iter().flatten().find(|condition| {
            condition["type"] == "Enforced" && condition["status"] == "True" && condition["message"] == "1/1"
        });
        let generation = enforced.and_then(|condition| condition["observedGeneration"].as_i64());
        if let Some(generation) = generation {
            // Whoever reads them may have ended.
            let _ = reports.send(Report { generation, at: SystemTime::now() });
        }
    }
    Ok(())
}

async fn wait_for<T>(from: &mut UnboundedReceiver<T>, what: &str, wanted: impl Fn(&T) -> bool) -> Result<T> {
    let search = async {
        loop {
            match from.recv().await {
                Some(found) if wanted(&found) => break Ok(found),
                Some(_) => {}
                None => anyhow::bail!("whoever reports on {what} has ended"),
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, search).await;
    found.with_context(|| format!("waited {PATIENCE:?} for {what}"))?
}

async fn policies(cluster: &Cluster) -> Result<Api<DynamicObject>> {
    let kubeconfig = Kubeconfig::read_from(cluster.server()?.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config).context("cannot make a client of the API server")?;
    let kind = GroupVersionKind::gvk("cilium.io", "v2", "CiliumNetworkPolicy");
    let resource = ApiResource::from_gvk_with_plural(&kind, "ciliumnetworkpolicies");
    Ok(Api::namespaced_with(client, "default", &resource))
}

/// Who may connect to the server: the client, or somebody who does not exist.
fn policy(open: bool) -> Value {
    let peer = if open { "client" } else { "nobody" };
    json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": POLICY},
        "spec": {
            "endpointSelector": {"matchLabels": {"id": "server"}},
            "ingress": [{
                "fromEndpoints": [{"matchLabels": {"id": peer}}],
                "toPorts": [{"ports": [{"port": PORT.to_string(), "protocol": "TCP"}]}],
            }],
        },
    })
}

fn pod(name: &str, node: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"id": name}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": image}]},
    })
}

fn millis(begin: SystemTime, end: SystemTime) -> Result<f64> {
    Ok(end.duration_since(begin).context("the clock was set back")?.as_secs_f64() * 1e3)
}
