//! Asks the API server about tokens.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use tonic::Status;

use super::AUDIENCE;
use super::cache::Cache;
use super::expiry::expiry;
use super::review::{Proof, Refusal, ServiceAccount, judge};

/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Tokens of the cluster.
pub struct TokenReviews {
    client: Client,
    accounts: Vec<ServiceAccount>,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for TokenReviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenReviews").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

/// Why a token was not taken.
enum Failure {
    Refused(Refusal),
    Away(String),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Away(error.to_string())
    }
}

impl TokenReviews {
    /// Takes tokens of these service accounts.
    #[must_use]
    pub fn new(client: Client, accounts: Vec<ServiceAccount>) -> Self {
        Self { client, accounts, cache: Mutex::default() }
    }

    /// The node of a token. While the API server is away, only tokens that it has vouched for before count, until
    /// they end.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for a token that is no node's, `UNAVAILABLE` if nobody can be asked.
    pub async fn node(&self, token: &str, now: Instant) -> Result<String, Status> {
        if let Some(node) = self.cache().fresh(token, now) {
            return Ok(node);
        }
        let answer = match tokio::time::timeout(WITHIN, self.ask(token)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Away(format!("no answer within {WITHIN:?}"))),
        };
        match answer {
            Ok(node) => {
                let left = expiry(token).map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
                let expires = left.and_then(|left| now.checked_add(left));
                self.cache().insert(token.to_owned(), node.clone(), expires, now);
                Ok(node)
            }
            Err(Failure::Refused(refusal)) => {
                self.cache().remove(token);
                Err(Status::unauthenticated(refusal.to_string()))
            }
            Err(Failure::Away(cause)) => self.cache().known(token, now).ok_or_else(|| {
                tracing::warn!(cause, "a token could not be reviewed");
                Status::unavailable("the API server cannot be asked about the token: try again")
            }),
        }
    }

    async fn ask(&self, token: &str) -> Result<String, Failure> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: Some(vec![AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        match judge(answer.status, &self.accounts).map_err(Failure::Refused)? {
            Proof::Node(node) => Ok(node),
            Proof::Pod { namespace, name, uid } => self.node_of_pod(&namespace, &name, uid).await,
        }
    }

    /// Servers before 1.30 name only the pod.
    async fn node_of_pod(&self, namespace: &str, name: &str, uid: Option<String>) -> Result<String, Failure> {
        let shown = format!("{namespace}/{name}");
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = api.get_opt(name).await?;
        let pod = pod.filter(|pod| uid.is_none() || pod.metadata.uid == uid);
        let pod = pod.ok_or_else(|| Failure::Refused(Refusal::PodGone(shown.clone())))?;
        let node = pod.spec.and_then(|spec| spec.node_name).filter(|node| !node.is_empty());
        node.ok_or(Failure::Refused(Refusal::NoNode(shown)))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing in there is ever left half done.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
