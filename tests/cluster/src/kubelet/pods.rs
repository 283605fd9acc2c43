//! What pods have and what is done to them.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;

/// Whether the pod's condition says so.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Deletes a pod; one that is not there is no error.
pub(super) async fn delete(api: &Api<Pod>, name: &str, how: &DeleteParams) -> Result<()> {
    match api.delete(name, how).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.with_context(|| format!("cannot delete pod {name}")).map(drop),
    }
}
