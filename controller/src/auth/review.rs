//! What a `TokenReview` proves. No IO.

use std::collections::BTreeMap;
use std::str::FromStr;

use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};

use super::AUDIENCE;

const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text is no service account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no service account: expected NAMESPACE/NAME")]
pub struct ServiceAccountError(String);

impl FromStr for ServiceAccount {
    type Err = ServiceAccountError;

    fn from_str(text: &str) -> Result<Self, ServiceAccountError> {
        let part = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        match text.split_once('/') {
            Some((namespace, name)) if part(namespace) && part(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(ServiceAccountError(text.to_owned())),
        }
    }
}

/// Why a token is no node's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The API server does not know it.
    #[error("the API server does not vouch for the token: {0}")]
    Unknown(String),
    /// It was made for somebody else.
    #[error("the token is not made for the audience `{AUDIENCE}`")]
    Audience,
    /// It is somebody else's.
    #[error("the token is that of `{0}`, which is none of the service accounts of nodes")]
    Account(String),
    /// It says neither its node nor its pod.
    #[error("the token is bound to no pod: expected a projected service-account token")]
    Unbound,
    /// Its pod is gone, or was replaced by another one of its name.
    #[error("the token's pod {0} is not there any more")]
    PodGone(String),
    /// Its pod runs nowhere.
    #[error("the token's pod {0} is on no node yet")]
    NoNode(String),
}

/// What a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its node.
    Node(String),
    /// Its pod, which has to be asked for its node.
    Pod { namespace: String, name: String, uid: Option<String> },
}

/// Judges the answer of the API server.
pub(super) fn judge(
    status: Option<TokenReviewStatus>,
    accounts: &[ServiceAccount],
) -> Result<Proof, Refusal> {
    let status = status.unwrap_or_default();
    if status.authenticated != Some(true) {
        return Err(Refusal::Unknown(status.error.unwrap_or_else(|| "not authenticated".to_owned())));
    }
    // A server that does not know audiences answers without them, and would take any token.
    if !status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE) {
        return Err(Refusal::Audience);
    }
    let UserInfo { username, extra, .. } = status.user.unwrap_or_default();
    let username = username.unwrap_or_default();
    let is_node = |account: &&ServiceAccount| {
        username == format!("system:serviceaccount:{}:{}", account.namespace, account.name)
    };
    let Some(account) = accounts.iter().find(is_node) else {
        return Err(Refusal::Account(username));
    };
    let extra = extra.unwrap_or_default();
    if let Some(node) = one(&extra, NODE_NAME) {
        return Ok(Proof::Node(node.to_owned()));
    }
    match one(&extra, POD_NAME) {
        Some(name) => Ok(Proof::Pod {
            namespace: account.namespace.clone(),
            name: name.to_owned(),
            uid: one(&extra, POD_UID).map(str::to_owned),
        }),
        None => Err(Refusal::Unbound),
    }
}

/// The value of a key that has exactly one.
fn one<'a>(extra: &'a BTreeMap<String, Vec<String>>, key: &str) -> Option<&'a str> {
    match extra.get(key).map(Vec::as_slice) {
        Some([value]) if !value.is_empty() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(user: &str, audience: &str, extra: &[(&str, &str)]) -> Option<TokenReviewStatus> {
        let extra = extra.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        Some(TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(vec![audience.to_owned()]),
            user: Some(UserInfo {
                username: Some(format!("system:serviceaccount:{user}")),
                extra: Some(extra),
                ..UserInfo::default()
            }),
            error: None,
        })
    }

    fn ask(status: Option<TokenReviewStatus>) -> Result<Proof, Refusal> {
        judge(status, &["postern-system/postern-node".parse().unwrap()])
    }

    const NODE: &str = "postern-system:postern-node";

    #[test]
    fn a_node_is_named_by_the_server_or_by_its_pod() {
        let both = [(NODE_NAME, "n1"), (POD_NAME, "p")];
        assert_eq!(ask(status(NODE, AUDIENCE, &both)), Ok(Proof::Node("n1".to_owned())));
        let Ok(Proof::Pod { namespace, name, uid }) =
            ask(status(NODE, AUDIENCE, &[(POD_NAME, "p"), (POD_UID, "u")]))
        else {
            panic!("expected a pod")
        };
        assert_eq!((namespace.as_str(), name.as_str(), uid.as_deref()), ("postern-system", "p", Some("u")));
    }

    #[test]
    fn everything_else_is_refused() {
        let extra = [(NODE_NAME, "n1")];
        assert!(matches!(ask(None), Err(Refusal::Unknown(_))));
        assert_eq!(ask(status(NODE, "api", &extra)), Err(Refusal::Audience));
        let other = "postern-system:default";
        assert!(matches!(ask(status(other, AUDIENCE, &extra)), Err(Refusal::Account(_))));
        assert_eq!(ask(status(NODE, AUDIENCE, &[])), Err(Refusal::Unbound));
        let without = status(NODE, AUDIENCE, &extra).map(|it| TokenReviewStatus { audiences: None, ..it });
        assert_eq!(ask(without), Err(Refusal::Audience));
    }

    #[test]
    fn accounts_are_written_with_a_slash() {
        assert!("postern-system/postern-node".parse::<ServiceAccount>().is_ok());
        for bad in ["postern-node", "a/", "/b", "a/b/c", "a:b/c"] {
            assert!(bad.parse::<ServiceAccount>().is_err(), "{bad}");
        }
    }
}
