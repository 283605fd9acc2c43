//! Tells clients of the CA.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};

use crate::FIELD_MANAGER;

/// The ConfigMap that holds the CA, under `ca.crt`.
pub const CONFIG_MAP: &str = "postern-ca";

/// Why the CA could not be published.
#[derive(Debug, thiserror::Error)]
#[error("the API server does not take the config map {CONFIG_MAP}: {0}")]
pub struct PublishError(Box<kube::Error>);

impl From<kube::Error> for PublishError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

/// Writes the CA into the ConfigMap, if it is not there. Whether something was changed.
///
/// # Errors
/// When the API server refuses.
pub async fn publish(client: &Client, namespace: &str, ca: &str) -> Result<bool, PublishError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(CONFIG_MAP).await?.and_then(|map| map.data).unwrap_or_default();
    if found.get("ca.crt").is_some_and(|found| found == ca) {
        return Ok(false);
    }
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(CONFIG_MAP.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("ca.crt".to_owned(), ca.to_owned())])),
        ..ConfigMap::default()
    };
    api.patch(CONFIG_MAP, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&map)).await?;
    Ok(true)
}
