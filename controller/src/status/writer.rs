//! Carries the status of policies to the API server.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use postern_controller_api::status::PolicyConditions;
use postern_controller_api::upstream::ClusterNetworkPolicy;
use postern_controller_api::v2::{CiliumClusterwideNetworkPolicy, CiliumNetworkPolicy};
use postern_controller_index::{PolicyKey, PolicyKind, PolicyStatus};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{conditions, verdict_changed};
use crate::FIELD_MANAGER;
use crate::events::{Events, Notice};
use crate::lease::Role;
use crate::metrics::Writes;

/// How many writes are under way at a time.
const AT_ONCE: usize = 8;
/// Acknowledgements come in swarms: what follows within this time is written once.
const GATHER: Duration = Duration::from_millis(100);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// When everything is compared again with what the API server has: somebody else may have written it.
const REPAIR: Duration = Duration::from_secs(5 * 60);
/// How long the API server may take for one policy.
const WITHIN: Duration = Duration::from_secs(10);

type Statuses = BTreeMap<PolicyKey, PolicyStatus>;

/// Writes the status of policies while this controller leads.
#[derive(Clone)]
pub(crate) struct StatusWriter {
    pub(crate) client: Client,
    pub(crate) statuses: watch::Receiver<Arc<Statuses>>,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) events: Events,
    pub(crate) metrics: Writes,
}

/// What came of one write.
enum Written {
    Done,
    Failed,
}

impl StatusWriter {
    pub(crate) async fn run(mut self) -> Infallible {
        let mut written: Statuses = BTreeMap::new();
        let mut repair = Instant::now() + REPAIR;
        loop {
            if !self.role.borrow_and_update().leader {
                // Whoever leads meanwhile writes; what we knew of it is worth nothing afterwards.
                written.clear();
                changed(&mut self.role).await;
                continue;
            }
            if Instant::now() >= repair {
                written.clear();
                repair = Instant::now() + REPAIR;
            }
            let wanted = self.statuses.borrow_and_update().clone();
            written.retain(|key, _| wanted.contains_key(key));
            let is_due = |status: &&PolicyStatus| {
                has_status(status.key.kind) && written.get(&status.key) != Some(*status)
            };
            let due: Vec<PolicyStatus> = wanted.values().filter(is_due).cloned().collect();
            let mut failed = false;
            let writes: Vec<_> = due.into_iter().map(|status| self.clone().write(status)).collect();
            let mut writes = stream::iter(writes).buffer_unordered(AT_ONCE);
            while let Some((status, outcome)) = writes.next().await {
                match outcome {
                    Written::Done => drop(written.insert(status.key.clone(), status)),
                    Written::Failed => failed = true,
                }
            }
            if failed {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            tokio::select! {
                () = changed(&mut self.statuses) => tokio::time::sleep(GATHER).await,
                () = changed(&mut self.role) => {}
                () = tokio::time::sleep_until(repair) => {}
            }
        }
    }

    async fn write(self, status: PolicyStatus) -> (PolicyStatus, Written) {
        let outcome = self.try_write(&status).await;
        (status, outcome)
    }

    async fn try_write(&self, status: &PolicyStatus) -> Written {
        if !self.role.borrow().leader {
            return Written::Failed;
        }
        let key = &status.key;
        let client = self.client.clone();
        let write = async {
            match key.kind {
                PolicyKind::Cnp => {
                    let api: Api<CiliumNetworkPolicy> = namespaced(client, &key.namespace);
                    self.write_to(&api, status, |object| object.status).await
                }
                PolicyKind::Ccnp => {
                    let api: Api<CiliumClusterwideNetworkPolicy> = Api::all(client);
                    self.write_to(&api, status, |object| object.status).await
                }
                PolicyKind::ClusterNetworkPolicy => {
                    let api: Api<ClusterNetworkPolicy> = Api::all(client);
                    self.write_to(&api, status, |object| object.status).await
                }
                PolicyKind::NetworkPolicy => Ok(()),
            }
        };
        let problem = match tokio::time::timeout(WITHIN, write).await {
            Ok(Ok(())) => return Written::Done,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {WITHIN:?}"),
        };
        self.metrics.failed.inc();
        tracing::warn!(policy = %key, problem, "the status could not be written and is tried again");
        Written::Failed
    }

    async fn write_to<K>(
        &self,
        api: &Api<K>,
        status: &PolicyStatus,
        of: impl Fn(K) -> Option<PolicyConditions>,
    ) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let name = &status.key.name;
        let Some(object) = api.get_opt(name).await? else { return Ok(()) };
        if object.uid().is_some_and(|uid| uid != status.uid) {
            // Another object under the same name: the index will hear of it.
            return Ok(());
        }
        let reference = object.object_ref(&());
        let current = of(object).unwrap_or_default().conditions;
        let next = conditions(&current, status, &Time(Timestamp::now()));
        let unchanged = next.iter().all(|next| current.contains(next));
        if unchanged {
            return Ok(());
        }
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name, "uid": status.uid },
            "status": { "conditions": next },
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(name, &parameters, &Patch::Apply(&patch)).await {
            Ok(_) => self.metrics.done.inc(),
            // It was deleted, or replaced, between the two.
            Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(invalid) = verdict_changed(&current, &next) {
            self.events.send(Notice::refused(reference, &invalid.message));
        }
        Ok(())
    }
}

/// Kubernetes' own policies have none.
fn has_status(kind: PolicyKind) -> bool {
    match kind {
        PolicyKind::Cnp | PolicyKind::Ccnp | PolicyKind::ClusterNetworkPolicy => true,
        PolicyKind::NetworkPolicy => false,
    }
}

fn namespaced<K>(client: Client, namespace: &str) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client, namespace)
}

/// Waits for a change; for ever, once there will be none.
pub(crate) async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
