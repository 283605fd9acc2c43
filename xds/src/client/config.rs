//! Where the server is, and what is shown to it.

use std::fmt;
use std::path::PathBuf;

use http::Uri;
use http::uri::Scheme;

/// Everything a client has to know.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The server, such as `https://postern-controller.postern-system:18000`.
    pub endpoint: String,
    /// The name that the server's certificate is for, where that is not the endpoint's host.
    pub server_name: Option<String>,
    /// The authority that has signed the server's certificate.
    pub authority: Pem,
    /// What the client shows.
    pub credentials: ClientCredentials,
    /// The node it is on.
    pub node: String,
    /// What it is.
    pub kind: Kind,
}

/// PEM that is in a file, which is read again for each connection, or at hand.
#[derive(Clone)]
pub enum Pem {
    /// In this file.
    File(PathBuf),
    /// This.
    Inline(Vec<u8>),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => f.debug_tuple("File").field(path).finish(),
            // It may be a key.
            Pem::Inline(pem) => write!(f, "Inline({} bytes)", pem.len()),
        }
    }
}

/// What a client shows to prove who it is.
#[derive(Debug, Clone)]
pub enum ClientCredentials {
    /// The bearer token in this file, which is read again for each connection.
    Token(PathBuf),
    /// A certificate.
    Certificate {
        /// The chain, the client's own first.
        certificate: Pem,
        /// Its key.
        key: Pem,
    },
}

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `postern node`.
    Node,
    /// `postern proxy`.
    Proxy,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Node => "node",
            Kind::Proxy => "proxy",
        }
    }
}

/// A configuration that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint.
    #[error("endpoint {endpoint:?}: expected https://HOST:PORT{}", reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// Why it is not even a URI.
        reason: Option<String>,
    },
    /// No node.
    #[error("the node's name is empty: a client follows the policy of one node")]
    Node,
}

impl ClientConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |reason| ConfigError::Endpoint { endpoint: self.endpoint.clone(), reason };
        let uri: Uri =
            self.endpoint.parse().map_err(|error: http::uri::InvalidUri| wrong(Some(error.to_string())))?;
        // Without TLS anyone on the way could read the token, and write the policy.
        if uri.scheme() != Some(&Scheme::HTTPS) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong(None));
        }
        if self.node.is_empty() {
            return Err(ConfigError::Node);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str, node: &str) -> ClientConfig {
        ClientConfig {
            endpoint: endpoint.to_owned(),
            server_name: None,
            authority: Pem::Inline(Vec::new()),
            credentials: ClientCredentials::Token("token".into()),
            node: node.to_owned(),
            kind: Kind::Node,
        }
    }

    #[test]
    fn only_https_is_taken() {
        config("https://controller:18000", "node1").check().unwrap();
        for bad in ["http://controller:18000", "controller:18000", "/socket", "https://", "a b"] {
            let error = config(bad, "node1").check().unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("https://HOST:PORT"), "{error}");
        }
        assert!(matches!(config("https://controller:18000", "").check(), Err(ConfigError::Node)));
    }
}
