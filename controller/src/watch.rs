//! Follows the objects of the API server, one task for each kind.
//!
//! A watch that fails is tried again with growing pauses, for ever; what was seen before stays in force. The queue to
//! the writer is bounded: while it is full, watches wait.

use std::convert::Infallible;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::{DynamicObject, TypeMeta};
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use postern_controller_api::identity::PosternIdentity;
use postern_controller_api::upstream::ClusterNetworkPolicy;
use postern_controller_api::v2;
use postern_controller_index::{
    Change, CidrGroupObject, Event, Kind, ObjectKey, PolicyChange, PolicyKey, PolicyKind, PolicyObject,
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::metrics::Metrics;
use crate::reach::{Party, Reach};

/// How many seconds a watch stays open without an answer before it is taken for dead.
const TIMEOUT: u32 = 120;
/// How often it is looked whether a kind is served that was not.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What every watch needs.
#[derive(Debug, Clone)]
pub(crate) struct Watches {
    pub(crate) queue: mpsc::Sender<Event>,
    pub(crate) reach: Reach,
    pub(crate) metrics: Metrics,
}

/// Starts the watches of all kinds. They end with the set.
pub(crate) fn spawn(tasks: &mut JoinSet<Infallible>, client: &Client, watches: &Watches) {
    let all = |client: &Client| client.clone();
    let it = || watches.clone();
    tasks.spawn(it().follow::<Pod>(Api::all(all(client)), Kind::Pod, Event::Pod));
    tasks.spawn(it().follow::<Namespace>(Api::all(all(client)), Kind::Namespace, Event::Namespace));
    tasks.spawn(it().follow::<Node>(Api::all(all(client)), Kind::Node, Event::Node));
    tasks.spawn(it().follow::<Service>(Api::all(all(client)), Kind::Service, Event::Service));
    tasks.spawn(it().follow_slices(client.clone()));
    tasks.spawn(it().follow::<PosternIdentity>(Api::all(all(client)), Kind::Identity, Event::Identity));
    for (kind, resource) in [
        (PolicyKind::Cnp, ApiResource::erase::<v2::CiliumNetworkPolicy>(&())),
        (PolicyKind::Ccnp, ApiResource::erase::<v2::CiliumClusterwideNetworkPolicy>(&())),
        (PolicyKind::NetworkPolicy, ApiResource::erase::<NetworkPolicy>(&())),
    ] {
        tasks.spawn(it().follow_policies(Api::all_with(client.clone(), &resource), kind, resource));
    }
    tasks.spawn(it().follow_groups(client.clone()));
    tasks.spawn(it().follow_ordered(client.clone()));
}

impl Watches {
    async fn follow<K>(self, api: Api<K>, kind: Kind, event: fn(Change<K>) -> Event) -> Infallible
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let applied = |object: K| event(Change::Applied(Box::new(object)));
        self.run(api, kind, applied, |object| event(Change::Deleted(key(object)))).await
    }

    /// Policies as they were written: a type would drop the fields that it does not know, and with them the errors.
    async fn follow_policies(
        self,
        api: Api<DynamicObject>,
        kind: PolicyKind,
        resource: ApiResource,
    ) -> Infallible {
        let types = TypeMeta { api_version: resource.api_version, kind: resource.kind };
        let applied = |object| Event::Policy(PolicyChange::Applied(Box::new(policy(object, kind, &types))));
        let deleted = |object: &DynamicObject| {
            let ObjectKey { namespace, name } = key(object);
            Event::Policy(PolicyChange::Deleted(PolicyKey { kind, namespace, name }))
        };
        self.run(api, Kind::Policy(kind), applied, deleted).await
    }

    /// Endpoint slices. Kubernetes before 1.21 serves them as `v1beta1`, which says the same in the fields that matter.
    async fn follow_slices(self, client: Client) -> Infallible {
        let newer = ApiResource::erase::<EndpointSlice>(&());
        let older = of_version(&newer, "v1beta1");
        let resource = self.served(&client, Kind::EndpointSlice, &[newer.clone(), older]).await;
        let types = TypeMeta { api_version: newer.api_version, kind: newer.kind };
        let applied = |object: DynamicObject| Event::EndpointSlice(slice(object, &types));
        let deleted = |object: &DynamicObject| Event::EndpointSlice(Change::Deleted(key(object)));
        self.run(Api::all_with(client, &resource), Kind::EndpointSlice, applied, deleted).await
    }

    /// CIDR groups, by the newer of the versions that are served.
    async fn follow_groups(self, client: Client) -> Infallible {
        let newer = ApiResource::erase::<v2::CiliumCIDRGroup>(&());
        let older = of_version(&newer, "v2alpha1");
        let resource = self.served(&client, Kind::CidrGroup, &[newer, older]).await;
        let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
        let applied = |object: DynamicObject| {
            let object = cidr_group(object, &types);
            Event::CidrGroup(Change::Applied(Box::new(object)))
        };
        let deleted = |object: &DynamicObject| Event::CidrGroup(Change::Deleted(key(object)));
        self.run(Api::all_with(client, &resource), Kind::CidrGroup, applied, deleted).await
    }

    /// The administrators' policies: not every cluster has them.
    async fn follow_ordered(self, client: Client) -> Infallible {
        let kind = PolicyKind::ClusterNetworkPolicy;
        let resource = ApiResource::erase::<ClusterNetworkPolicy>(&());
        let resource = self.served(&client, Kind::Policy(kind), &[resource]).await;
        self.follow_policies(Api::all_with(client, &resource), kind, resource).await
    }

    /// Waits until one of these is served. While none is, there are no objects of the kind.
    async fn served(&self, client: &Client, kind: Kind, wanted: &[ApiResource]) -> ApiResource {
        let mut said = false;
        loop {
            match first_served(client, wanted).await {
                Ok(Some(resource)) => return resource,
                Ok(None) if said => self.reach.listed(kind),
                Ok(None) => {
                    said = true;
                    let versions: Vec<&str> = wanted.iter().map(|it| it.api_version.as_str()).collect();
                    let versions = versions.join(" or ");
                    tracing::info!(kind = kind.name(), versions, "not served here: not watched until it is");
                    for event in [Event::Relist(kind), Event::Synced(kind)] {
                        if self.queue.send(event).await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    }
                    self.reach.listed(kind);
                }
                Err(error) => {
                    self.reach.failed(Party::Watch(kind), Instant::now());
                    self.metrics.watch_errors.get(kind).inc();
                    tracing::warn!(kind = kind.name(), %error, "it cannot be told whether the kind is served");
                    tokio::time::sleep(LOOK_AGAIN / 30).await;
                    continue;
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn run<K>(
        self,
        api: Api<K>,
        kind: Kind,
        applied: impl Fn(K) -> Event,
        deleted: impl Fn(&K) -> Event,
    ) -> Infallible
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let party = Party::Watch(kind);
        let mut stream =
            Box::pin(watcher(api, watcher::Config::default().timeout(TIMEOUT)).default_backoff());
        loop {
            let seen = match stream.try_next().await {
                Ok(Some(seen)) => seen,
                // It has no end.
                Ok(None) => std::future::pending().await,
                Err(error) => {
                    self.reach.failed(party, Instant::now());
                    self.metrics.watch_errors.get(kind).inc();
                    tracing::warn!(kind = kind.name(), %error, "a watch failed and is tried again");
                    continue;
                }
            };
            let event = match seen {
                watcher::Event::Init => Event::Relist(kind),
                watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                    applied(without_noise(object))
                }
                watcher::Event::Delete(object) => deleted(&object),
                watcher::Event::InitDone => Event::Synced(kind),
            };
            match event {
                // Said before anything was asked.
                Event::Relist(_) => {}
                Event::Synced(_) => self.reach.listed(kind),
                _ => self.reach.answered(party),
            }
            if self.queue.send(event).await.is_err() {
                // The writer has ended, and the process is about to.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The same resource in another version.
fn of_version(resource: &ApiResource, version: &str) -> ApiResource {
    let api_version = format!("{}/{version}", resource.group);
    ApiResource { api_version, version: version.to_owned(), ..resource.clone() }
}

/// A slice as the newer version has it. One that cannot be read has no backends.
fn slice(mut object: DynamicObject, types: &TypeMeta) -> Change<EndpointSlice> {
    object.types = Some(types.clone());
    let deleted = key(&object);
    match serde_json::to_value(object).and_then(serde_json::from_value) {
        Ok(slice) => Change::Applied(Box::new(slice)),
        Err(error) => {
            let ObjectKey { namespace, name } = &deleted;
            tracing::warn!(namespace, name, %error, "an endpoint slice cannot be read and is left out");
            Change::Deleted(deleted)
        }
    }
}

/// The first of these that the API server serves.
async fn first_served(client: &Client, wanted: &[ApiResource]) -> Result<Option<ApiResource>, kube::Error> {
    for resource in wanted {
        match client.list_api_group_resources(&resource.api_version).await {
            Ok(served) if served.resources.iter().any(|it| it.name == resource.plural) => {
                return Ok(Some(resource.clone()));
            }
            Ok(_) => {}
            // For a group that it has never heard of, a server answers in plain text.
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Who wrote which field is half of an object, and nobody here reads it.
fn without_noise<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

fn key<K: ResourceExt>(object: &K) -> ObjectKey {
    ObjectKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

fn policy(mut object: DynamicObject, kind: PolicyKind, types: &TypeMeta) -> PolicyObject {
    // Items of a list come without.
    object.types = Some(types.clone());
    let ObjectKey { namespace, name } = key(&object);
    PolicyObject {
        key: PolicyKey { kind, namespace, name },
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        text: json(&object),
    }
}

fn cidr_group(mut object: DynamicObject, types: &TypeMeta) -> CidrGroupObject {
    object.types = Some(types.clone());
    let name = object.name_any();
    CidrGroupObject { name, uid: object.uid().unwrap_or_default(), text: json(&object) }
}

fn json(object: &DynamicObject) -> String {
    serde_json::to_string(object).unwrap_or_else(|error| {
        // Not JSON, so that it is refused, with this reason in it.
        format!("this object cannot be written as JSON: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_the_older_version_is_read() {
        let object = serde_json::json!({
            "apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice",
            "metadata": { "name": "s", "namespace": "ns" }, "addressType": "IPv4", "ports": null,
            "endpoints": [{ "addresses": ["192.0.2.1"], "topology": { "zone": "a" } }],
        });
        let newer = ApiResource::erase::<EndpointSlice>(&());
        assert_eq!(of_version(&newer, "v1beta1").api_version, "discovery.k8s.io/v1beta1");
        let types = TypeMeta { api_version: newer.api_version, kind: newer.kind };
        let Change::Applied(read) = slice(serde_json::from_value(object).unwrap(), &types) else {
            panic!("it is left out")
        };
        assert_eq!(read.endpoints[0].addresses, ["192.0.2.1"]);
    }

    #[test]
    fn a_policy_keeps_the_fields_that_nobody_knows() {
        let object = serde_json::json!({
            "metadata": { "name": "p", "namespace": "ns", "uid": "u", "generation": 3 },
            "spec": { "podSelektor": {} },
        });
        let resource = ApiResource::erase::<NetworkPolicy>(&());
        let types = TypeMeta { api_version: resource.api_version, kind: resource.kind };
        let seen = policy(serde_json::from_value(object).unwrap(), PolicyKind::NetworkPolicy, &types);
        assert_eq!((seen.generation, seen.uid.as_str()), (3, "u"));
        assert_eq!(seen.key.to_string(), "netpol/ns/p");
        let text: serde_json::Value = serde_json::from_str(&seen.text).unwrap();
        assert_eq!(text["apiVersion"], "networking.k8s.io/v1");
        assert!(text["spec"]["podSelektor"].is_object());
    }
}
