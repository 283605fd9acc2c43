//! Tells the API server what the custom resources are, and where their versions are converted.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::core::crd::MergeError;
use kube::{Api, Client, ResourceExt};
use postern_controller_api::crd::{Webhook, crds};
use serde_json::{Value, json};

use crate::FIELD_MANAGER;

/// How long the API server may take until it serves a new resource.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(60);

/// Why the resources could not be defined.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The API server refused, or is away.
    #[error("the API server does not take the definition of {name}: {cause}")]
    Api {
        /// The definition.
        name: String,
        /// The reason.
        cause: Box<kube::Error>,
    },
    /// Its definition is wrong.
    #[error("the versions of a definition do not fit together: {0}")]
    Merge(#[from] MergeError),
    /// It is taken but not served.
    #[error(
        "the API server does not serve {name} within {ESTABLISHED_WITHIN:?}: see `kubectl describe crd {name}`"
    )]
    NotEstablished {
        /// The definition.
        name: String,
    },
}

/// Applies all definitions and waits until they are served.
///
/// # Errors
/// When the API server refuses one.
pub async fn install(client: &Client, webhook: &Webhook) -> Result<(), CrdError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let all = crds(webhook)?;
    for crd in &all {
        let name = crd.name_any();
        let applied = api.patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(crd)).await;
        applied.map_err(|cause| CrdError::Api { name: name.clone(), cause: Box::new(cause) })?;
        tracing::info!(name, "custom resource defined");
    }
    for crd in &all {
        established(&api, crd.name_any()).await?;
    }
    Ok(())
}

async fn established(api: &Api<CustomResourceDefinition>, name: String) -> Result<(), CrdError> {
    let served = async {
        loop {
            let crd = api.get(&name).await?;
            let conditions = crd.status.and_then(|status| status.conditions).unwrap_or_default();
            if conditions.iter().any(|it| it.type_ == "Established" && it.status == "True") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    match tokio::time::timeout(ESTABLISHED_WITHIN, served).await {
        Ok(result) => result.map_err(|cause| CrdError::Api { name, cause: Box::new(cause) }),
        Err(_) => Err(CrdError::NotEstablished { name }),
    }
}

/// Says where versions are converted, if the API server has it otherwise. Whether something was changed.
///
/// # Errors
/// When the API server refuses.
pub async fn point_to(client: &Client, webhook: &Webhook) -> Result<bool, CrdError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut changed = false;
    for crd in crds(webhook)?.into_iter().filter(|crd| crd.spec.conversion.is_some()) {
        let name = crd.name_any();
        let wanted = conversion(&crd);
        let failed = |cause| CrdError::Api { name: name.clone(), cause: Box::new(cause) };
        if conversion(&api.get(&name).await.map_err(failed)?) != wanted {
            let patch = json!({ "spec": { "conversion": wanted } });
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(failed)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The conversion of a definition as a patch: what is not there is `null`, which takes it away.
fn conversion(crd: &CustomResourceDefinition) -> Value {
    let conversion = crd.spec.conversion.as_ref();
    let webhook = conversion.and_then(|conversion| conversion.webhook.as_ref());
    let client = webhook.and_then(|webhook| webhook.client_config.as_ref());
    json!({
        "strategy": conversion.map(|conversion| &conversion.strategy),
        "webhook": {
            "conversionReviewVersions": webhook.map(|webhook| &webhook.conversion_review_versions),
            "clientConfig": {
                "url": client.and_then(|client| client.url.as_ref()),
                "service": client.and_then(|client| client.service.as_ref()),
                "caBundle": client.and_then(|client| client.ca_bundle.as_ref()),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use postern_controller_api::crd::WebhookServer;

    use super::*;

    #[test]
    fn a_url_takes_the_service_away() {
        let server = WebhookServer::Url("https://192.0.2.1:9443".to_owned());
        let webhook = Webhook { server, ca_bundle: Some(b"pem".to_vec()) };
        let policy = crds(&webhook).unwrap().remove(0);
        let client = &conversion(&policy)["webhook"]["clientConfig"];
        assert_eq!(client["url"], "https://192.0.2.1:9443/convert");
        assert_eq!(client["service"], Value::Null);
        assert_eq!(client["caBundle"], "cGVt");
    }
}
