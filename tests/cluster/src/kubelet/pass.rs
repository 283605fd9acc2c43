//! One pass of the loop.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};

use super::local::Local;
use super::scheduling::{self, Candidate};
use super::status::{self, State};
use super::{Settings, deployments, endpoints, nodes, pods};
use crate::images::Program;
use crate::net::NodeNet;
use crate::services::{self, ServiceProxy};
use crate::subnets::MAX_PODS;

/// The name under which fields are owned.
pub(super) const MANAGER: &str = "postern-cluster";

/// The kubelets of all nodes.
pub(super) struct Kubelets {
    client: Client,
    settings: Settings,
    /// By the pod's uid.
    running: BTreeMap<String, Local>,
}

impl Kubelets {
    pub(super) fn new(client: Client, settings: Settings) -> Kubelets {
        Kubelets { client, settings, running: BTreeMap::new() }
    }

    /// Looks at the processes. Whether one has changed.
    pub(super) fn look(&mut self) -> bool {
        let mut changed = false;
        for local in self.running.values_mut() {
            local.look();
            changed |= local.news().is_some();
        }
        changed
    }

    /// Brings what runs, and what the API server says of it, to what it should be.
    pub(super) async fn pass(&mut self) -> Result<()> {
        let deployments = list::<Deployment>(&self.client).await?;
        let mut all = list::<Pod>(&self.client).await?;
        if deployments::expand(&self.client, &deployments, &all).await? {
            all = list::<Pod>(&self.client).await?;
        }
        self.schedule(&mut all).await?;
        let known: BTreeSet<String> = all.iter().filter_map(kube::ResourceExt::uid).collect();
        self.running.retain(|uid, _| known.contains(uid));
        // One that fails must not keep the others from running.
        let mut failed = Ok(());
        for pod in &all {
            failed = failed.and(self.pod(pod).await);
        }
        let services = list::<Service>(&self.client).await?;
        endpoints::publish(&self.client, &services, &all).await?;
        self.program(&services, &all)?;
        failed
    }

    async fn schedule(&self, all: &mut [Pod]) -> Result<()> {
        let on = |node: &str| all.iter().filter(|pod| node_of(pod) == Some(node)).count();
        let mut candidates: Vec<Candidate> = self
            .settings
            .network
            .nodes()
            .iter()
            .map(|node| Candidate { name: node.name(), labels: nodes::labels(node), pods: on(&node.name()) })
            .collect();
        for pod in all.iter_mut() {
            if node_of(pod).is_some() || pod.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let Some(candidate) = scheduling::choose(pod, &mut candidates) else { continue };
            scheduling::bind(&self.client, pod, &candidate.name).await?;
            candidate.pods += 1;
            if let Some(spec) = pod.spec.as_mut() {
                spec.node_name = Some(candidate.name.clone());
            }
        }
        Ok(())
    }

    async fn pod(&mut self, pod: &Pod) -> Result<()> {
        let network = std::sync::Arc::clone(&self.settings.network);
        let node = network.nodes().iter().find(|node| node_of(pod) == Some(&node.name()));
        let (Some(node), Some(uid)) = (node, pod.uid()) else { return Ok(()) };
        if pod.metadata.deletion_timestamp.is_some() {
            self.running.remove(&uid);
            return self.finish(pod, uid).await;
        }
        let over = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let over = matches!(over, Some("Failed" | "Succeeded"));
        match Program::of(pod) {
            Err(why) => self.report_once(pod, node, &State::NoImage(why)).await,
            Ok(Program::Elsewhere) => self.report_once(pod, node, &State::Ready).await,
            Ok(_) if over && !self.running.contains_key(&uid) => Ok(()),
            Ok(program) => self.run(pod, node, uid, program).await,
        }
    }

    /// The last word on a pod that is to go: its object.
    async fn finish(&self, pod: &Pod, uid: String) -> Result<()> {
        let only = Preconditions { uid: Some(uid), ..Preconditions::default() };
        let now = DeleteParams { preconditions: Some(only), ..DeleteParams::default().grace_period(0) };
        pods::delete(&self.api(pod), &pod.name_any(), &now).await
    }

    async fn run(&mut self, pod: &Pod, node: &NodeNet, uid: String, program: Program) -> Result<()> {
        if !self.running.contains_key(&uid) {
            let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            let number = self.free_number(node.number())?;
            let local = Local::start(&self.settings, node, number, &name, program);
            self.running.insert(uid.clone(), local.with_context(|| format!("cannot start pod {name}"))?);
        }
        let api = self.api(pod);
        let Some(local) = self.running.get_mut(&uid) else { return Ok(()) };
        local.look();
        let Some(state) = local.news() else { return Ok(()) };
        let patch = status::patch(pod, &state, node.addresses(), Some(local.net().address()));
        write(&api, pod, patch).await?;
        local.reported = Some(state);
        Ok(())
    }

    /// For pods without a process: their state is never news again.
    async fn report_once(&self, pod: &Pod, node: &NodeNet, state: &State) -> Result<()> {
        let address = (*state == State::Ready).then(|| node.addresses());
        let done = match state {
            State::Ready => pods::is_ready(pod),
            _ => pod.status.as_ref().is_some_and(|status| status.container_statuses.is_some()),
        };
        if done {
            return Ok(());
        }
        write(&self.api(pod), pod, status::patch(pod, state, node.addresses(), address)).await
    }

    fn free_number(&self, node: u8) -> Result<u8> {
        let taken: BTreeSet<u8> = self
            .running
            .values()
            .filter(|local| local.node == node)
            .map(|local| local.net().number())
            .collect();
        let free = (1..=MAX_PODS).find(|number| !taken.contains(number));
        free.with_context(|| format!("node{node} has no room for another pod"))
    }

    fn program(&mut self, all: &[Service], pods: &[Pod]) -> Result<()> {
        if self.settings.services == ServiceProxy::None {
            return Ok(());
        }
        let ruleset = services::ruleset(&endpoints::table(all, pods));
        for local in self.running.values_mut().filter(|local| local.services != ruleset) {
            services::apply(local.net().namespace(), &ruleset)?;
            local.services.clone_from(&ruleset);
        }
        Ok(())
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

async fn write(api: &Api<Pod>, pod: &Pod, patch: serde_json::Value) -> Result<()> {
    let name = pod.name_any();
    match api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.with_context(|| format!("cannot write the status of pod {name}")).map(drop),
    }
}

async fn list<K>(client: &Client) -> Result<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list(&ListParams::default()).await;
    Ok(list.with_context(|| format!("cannot list {}", K::plural(&())))?.items)
}
