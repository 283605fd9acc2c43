//! Who an xDS client is: by a token of the cluster, a token of a file, or a certificate.
//!
//! Whatever proves a node proves one node only: a stolen credential shows the policy of one machine.

mod cache;
mod certificate;
mod expiry;
mod review;
mod token_file;
mod token_review;

use std::time::Instant;

use postern_xds::server::{Authenticator, ClientIdentity, Credentials};
use tonic::Status;

pub use certificate::{CertificateNameError, node_of};
pub use review::{Refusal, ServiceAccount, ServiceAccountError};
pub use token_file::{TokenFile, TokenFileError};
pub use token_review::TokenReviews;

/// The audience that tokens must be made for.
pub const AUDIENCE: &str = "postern";

/// All the ways that are switched on. A certificate counts before a token, a token of the file before one of the cluster.
#[derive(Debug, Default)]
pub struct Authentication {
    /// Whether certificates are taken; the server has checked their signature.
    pub certificates: bool,
    /// Tokens from a file.
    pub file: Option<TokenFile>,
    /// Tokens of the cluster.
    pub reviews: Option<TokenReviews>,
}

impl Authenticator for Authentication {
    async fn authenticate(&self, credentials: Credentials) -> Result<ClientIdentity, Status> {
        if self.certificates
            && let Some(certificate) = credentials.certificates.first()
        {
            let node = node_of(certificate).map_err(|error| Status::unauthenticated(error.to_string()))?;
            return Ok(ClientIdentity { node });
        }
        let Some(token) = credentials.token.filter(|token| !token.is_empty()) else {
            return Err(Status::unauthenticated("expected a bearer token or a client certificate"));
        };
        if let Some(node) = self.file.as_ref().and_then(|file| file.node(&token)) {
            return Ok(ClientIdentity { node: node.to_owned() });
        }
        match &self.reviews {
            Some(reviews) => Ok(ClientIdentity { node: reviews.node(&token, Instant::now()).await? }),
            None => Err(Status::unauthenticated("the token is not in the token file")),
        }
    }
}
