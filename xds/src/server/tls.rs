//! The server's TLS.

use std::time::Duration;

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// PEM that TLS cannot be set up with.
#[derive(Debug, thiserror::Error)]
#[error("the certificate, its key or the clients' authority cannot be used: {0}")]
pub struct TlsError(#[source] tonic::transport::Error);

/// The server's TLS from a certificate chain and its key in PEM. With the authority of clients' certificates,
/// clients may show one instead of a token; one that the authority has not signed ends the handshake.
pub fn server_tls(
    certificate: &[u8],
    key: &[u8],
    client_authority: Option<&[u8]>,
) -> Result<ServerTlsConfig, TlsError> {
    let mut config = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key)).timeout(HANDSHAKE);
    if let Some(authority) = client_authority {
        config = config.client_ca_root(Certificate::from_pem(authority)).client_auth_optional(true);
    }
    // Setting it up is the only check there is.
    Server::builder().tls_config(config.clone()).map_err(TlsError)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_certificate_is_refused() {
        assert!(server_tls(b"no certificate", b"no key", None).is_err());
    }
}
