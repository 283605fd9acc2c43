//! The definitions that an API server is given, and their files in `deploy/crds`.

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionVersion, ServiceReference,
    WebhookClientConfig, WebhookConversion,
};
use kube::core::crd::{MergeError, merge_crds};
use kube::{CustomResourceExt, Resource};

use crate::identity::PosternIdentity;
use crate::{v1, v2};
use postern_policy_lang::yaml_text;

/// The path that conversion reviews are sent to.
pub const CONVERT_PATH: &str = "/convert";

/// Where an API server finds the conversion webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The server.
    pub server: WebhookServer,
    /// The certificates that its own must come from, as PEM; `None` where the controller fills it in later.
    pub ca_bundle: Option<Vec<u8>>,
}

/// The server of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookServer {
    /// A service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// An address outside of it, such as `https://192.0.2.1:8443`, without a path.
    Url(String),
}

impl Default for Webhook {
    /// The service of the deployment in `deploy/`.
    fn default() -> Self {
        let (namespace, name) = ("postern-system".to_owned(), "postern-controller".to_owned());
        Self { server: WebhookServer::Service { namespace, name, port: 443 }, ca_bundle: None }
    }
}

impl Webhook {
    fn conversion(&self) -> CustomResourceConversion {
        let (service, url) = match &self.server {
            WebhookServer::Service { namespace, name, port } => {
                let service = ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: Some(CONVERT_PATH.to_owned()),
                    port: Some(i32::from(*port)),
                };
                (Some(service), None)
            }
            WebhookServer::Url(url) => (None, Some(format!("{url}{CONVERT_PATH}"))),
        };
        let ca_bundle = self.ca_bundle.clone().map(ByteString);
        let client_config = Some(WebhookClientConfig { ca_bundle, service, url });
        let versions = vec!["v1".to_owned()];
        let webhook = WebhookConversion { client_config, conversion_review_versions: versions };
        CustomResourceConversion { strategy: "Webhook".to_owned(), webhook: Some(webhook) }
    }
}

/// Every definition, in the order in which they are to be applied.
///
/// # Errors
/// None that a caller could cause: the versions of one kind are merged, and a test merges them.
pub fn crds(webhook: &Webhook) -> Result<Vec<CustomResourceDefinition>, MergeError> {
    let versions = vec![v1::CiliumNetworkPolicy::crd(), v2::CiliumNetworkPolicy::crd()];
    let mut policy = merge_crds(versions, &v2::CiliumNetworkPolicy::version(&()))?;
    policy.spec.conversion = Some(webhook.conversion());
    for version in policy.spec.versions.iter_mut().filter(|version| version.name == "v1") {
        version.deprecated = Some(true);
        version.deprecation_warning = Some(
            "cilium.io/v1 CiliumNetworkPolicy is the dialect of 2017: peers and ports are two gates; \
             it is kept as cilium.io/v2"
                .to_owned(),
        );
    }
    let mut group = v2::CiliumCIDRGroup::crd();
    // The same under the name that it had before.
    let older = group.spec.versions.first().cloned().map(|version| CustomResourceDefinitionVersion {
        name: "v2alpha1".to_owned(),
        storage: false,
        ..version
    });
    group.spec.versions.extend(older);
    Ok(vec![policy, v2::CiliumClusterwideNetworkPolicy::crd(), group, PosternIdentity::crd()])
}

/// The files of `deploy/crds`: name and content.
///
/// # Errors
/// As [`crds`], or a definition that is no JSON; a test makes them all.
pub fn files() -> Result<Vec<(String, String)>, FilesError> {
    crds(&Webhook::default())?
        .into_iter()
        .map(|crd| {
            let name = format!("{}.yaml", crd.metadata.name.as_deref().unwrap_or(&crd.spec.names.plural));
            let header = "# Written by a test of controller/api: POSTERN_UPDATE=1 cargo test -p postern-controller-api\n";
            Ok((name, format!("{header}{}", yaml_text::document(&serde_json::to_value(&crd)?))))
        })
        .collect()
}

/// Why the files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The versions of a kind do not fit together.
    #[error("the versions of a definition do not fit together: {0}")]
    Merge(#[from] MergeError),
    /// A definition cannot be written.
    #[error("a definition cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}
