//! Who a client is.

use std::fmt;
use std::future::Future;

use rustls::pki_types::CertificateDer;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

/// What a client shows. Nothing of it has been checked, but for the certificates: those are signed by the
/// client CA that the server was given.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The token of `authorization: Bearer …`.
    pub token: Option<String>,
    /// The certificates of the TLS connection, the client's own first. Empty if it has shown none.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "(secret)");
        f.debug_struct("Credentials")
            .field("token", &token)
            .field("certificates", &self.certificates.len())
            .finish()
    }
}

/// Who a client has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Its node: it is given what this node is to have, whatever it says of itself.
    pub node: String,
}

/// Decides who a client is.
pub trait Authenticator: Send + Sync + 'static {
    /// The client's identity, or the status that ends its call: `UNAUTHENTICATED` for who proves nothing,
    /// `UNAVAILABLE` where it cannot be decided now.
    fn authenticate(
        &self,
        credentials: Credentials,
    ) -> impl Future<Output = Result<ClientIdentity, Status>> + Send;
}

/// The credentials of a request.
pub(super) fn credentials<T>(request: &Request<T>) -> Result<Credentials, Status> {
    let certificates = request.peer_certs().map(|certs| certs.as_ref().clone()).unwrap_or_default();
    Ok(Credentials { token: bearer(request.metadata())?, certificates })
}

fn bearer(metadata: &MetadataMap) -> Result<Option<String>, Status> {
    let mut values = metadata.get_all("authorization").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match (token, values.next()) {
        (Some((scheme, token)), None) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(token.trim().to_owned()))
        }
        _ => Err(Status::unauthenticated("authorization: expected one value, Bearer and a token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_bearer_value() {
        let mut metadata = MetadataMap::new();
        assert_eq!(bearer(&metadata).unwrap(), None);
        metadata.insert("authorization", "bearer  abc".parse().unwrap());
        assert_eq!(bearer(&metadata).unwrap().as_deref(), Some("abc"));
        metadata.append("authorization", "Bearer other".parse().unwrap());
        assert_eq!(bearer(&metadata).unwrap_err().code(), tonic::Code::Unauthenticated);
        metadata.insert("authorization", "Basic abc".parse().unwrap());
        assert_eq!(bearer(&metadata).unwrap_err().code(), tonic::Code::Unauthenticated);
    }

    #[test]
    fn a_token_is_not_printed() {
        let shown = Credentials { token: Some("abc".to_owned()), certificates: Vec::new() };
        assert!(!format!("{shown:?}").contains("abc"));
    }
}
