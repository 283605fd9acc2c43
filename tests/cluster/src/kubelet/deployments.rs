//! Deployments, without the replica sets between them and their pods.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::pods;

/// The label that tells pods of an older template from those of the present one.
const TEMPLATE: &str = "pod-template-hash";
/// The letters of generated names: none that make words, none that look alike.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// What has to be done for one deployment.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    create: usize,
    delete: Vec<String>,
}

/// Makes and deletes pods until each deployment has what it asks for. Whether anything was done.
pub(super) async fn expand(client: &Client, deployments: &[Deployment], pods: &[Pod]) -> Result<bool> {
    let mut busy = false;
    for deployment in deployments {
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let own: Vec<&Pod> = pods.iter().filter(|pod| owner(pod) == deployment.uid().as_deref()).collect();
        let hash = template_hash(deployment)?;
        let Plan { create, delete } = plan(wanted(deployment), &hash, &own);
        busy |= create > 0 || !delete.is_empty();
        for _ in 0..create {
            let pod = instance(deployment, &hash)?;
            api.create(&PostParams::default(), &pod).await.context("cannot make a pod of a deployment")?;
        }
        for name in &delete {
            pods::delete(&api, name, &DeleteParams::default()).await?;
        }
        report(client, deployment, &hash, &own).await?;
    }
    let alive: BTreeSet<String> = deployments.iter().filter_map(kube::ResourceExt::uid).collect();
    let orphans = pods.iter().filter(|pod| owner(pod).is_some_and(|uid| !alive.contains(uid)));
    for pod in orphans.filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        pods::delete(&api, &pod.name_any(), &DeleteParams::default()).await?;
        busy = true;
    }
    Ok(busy)
}

fn plan(wanted: usize, hash: &str, own: &[&Pod]) -> Plan {
    let living = own.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let (mut present, outdated): (Vec<&&Pod>, Vec<&&Pod>) =
        living.partition(|pod| pod.labels().get(TEMPLATE).is_some_and(|label| label == hash));
    // The last ones go first when there are too many: those that are not ready.
    present.sort_by_key(|pod| !pods::is_ready(pod));
    let surplus = present.get(wanted..).unwrap_or_default().iter().chain(&outdated);
    Plan { create: wanted.saturating_sub(present.len()), delete: surplus.map(|pod| pod.name_any()).collect() }
}

fn wanted(deployment: &Deployment) -> usize {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    usize::try_from(replicas.unwrap_or(1)).unwrap_or_default()
}

/// The deployment that a pod belongs to.
fn owner(pod: &Pod) -> Option<&str> {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.kind == "Deployment").map(|owner| owner.uid.as_str())
}

fn template_hash(deployment: &Deployment) -> Result<String> {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let text = serde_json::to_string(&template).context("cannot read a deployment's template")?;
    // FNV-1a: the same in every run of this program, which std's hasher does not promise.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Ok(letters(hash, 10))
}

fn letters(mut number: u64, count: usize) -> String {
    let base = LETTERS.len() as u64;
    let mut next = || {
        let index = usize::try_from(number % base).unwrap_or_default();
        number /= base;
        LETTERS.get(index).copied().map_or('b', char::from)
    };
    (0..count).map(|_| next()).collect()
}

fn instance(deployment: &Deployment, hash: &str) -> Result<Pod> {
    let spec = deployment.spec.as_ref().context("a deployment without a spec")?;
    let name = deployment.name_any();
    let mut labels = spec.template.metadata.clone().unwrap_or_default().labels.unwrap_or_default();
    labels.insert(TEMPLATE.to_owned(), hash.to_owned());
    let suffix = letters(std::collections::hash_map::RandomState::new().build_hasher().finish(), 5);
    let pod = json!({
        "metadata": {
            "name": format!("{name}-{hash}-{suffix}"),
            "namespace": deployment.namespace(),
            "labels": labels,
            "annotations": spec.template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref()),
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": deployment.uid(),
                "controller": true, "blockOwnerDeletion": false,
            }],
        },
        "spec": spec.template.spec,
    });
    serde_json::from_value(pod).context("cannot make a pod of a deployment's template")
}

/// Writes the numbers of a deployment, unless they are what it has.
async fn report(client: &Client, deployment: &Deployment, hash: &str, own: &[&Pod]) -> Result<()> {
    let present = |pod: &&&Pod| pod.labels().get(TEMPLATE).is_some_and(|label| label == hash);
    let updated = own.iter().filter(present).count();
    let ready = own.iter().filter(|pod| pods::is_ready(pod)).count();
    let available = if ready >= wanted(deployment) { "True" } else { "False" };
    let status = json!({
        "observedGeneration": deployment.metadata.generation,
        "replicas": own.len(), "updatedReplicas": updated,
        "readyReplicas": ready, "availableReplicas": ready,
        "conditions": [{"type": "Available", "status": available}],
    });
    let known: Value = serde_json::to_value(&deployment.status)?;
    let same = status.as_object().into_iter().flatten().all(|(key, value)| match known.get(key) {
        // The API leaves zeros out, and fills conditions up.
        None | Some(Value::Null) => *value == json!(0),
        Some(conditions) if key == "conditions" => {
            conditions.pointer("/0/status").and_then(Value::as_str) == Some(available)
        }
        Some(other) => other == value,
    });
    if same {
        return Ok(());
    }
    let namespace = deployment.namespace().unwrap_or_default();
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let patch = Patch::Merge(json!({"status": status}));
    match api.patch_status(&deployment.name_any(), &PatchParams::default(), &patch).await {
        // Deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.context("cannot write the status of a deployment").map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, hash: &str, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {TEMPLATE: hash}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_outdated_goes() {
        let (new, old) = (pod("new", "h1", true), pod("old", "h0", true));
        assert_eq!(plan(2, "h1", &[&new, &old]), Plan { create: 1, delete: vec!["old".to_owned()] });
    }

    #[test]
    fn of_too_many_the_unready_go() {
        let (bad, good) = (pod("bad", "h", false), pod("good", "h", true));
        assert_eq!(plan(1, "h", &[&bad, &good]), Plan { create: 0, delete: vec!["bad".to_owned()] });
    }

    #[test]
    fn a_pod_of_a_deployment_has_its_labels_and_a_generated_name() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "app1", "namespace": "default", "uid": "u"},
            "spec": {"selector": {}, "template": {
                "metadata": {"labels": {"id": "app1"}},
                "spec": {"containers": [{"name": "web", "image": "x"}]}}},
        }))
        .unwrap();
        let hash = template_hash(&deployment).unwrap();
        let pod = instance(&deployment, &hash).unwrap();
        assert!(pod.name_any().starts_with(&format!("app1-{hash}-")), "{}", pod.name_any());
        assert_eq!(pod.labels().get("id").map(String::as_str), Some("app1"));
        assert_eq!(owner(&pod), Some("u"));
    }
}
