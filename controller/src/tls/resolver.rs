//! Serves the certificate that is current when a client connects.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;

use super::Material;

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It does not parse.
    #[error("the {what} is no PEM: {cause}")]
    Pem {
        /// What it was to be.
        what: &'static str,
        /// The reason.
        cause: rustls::pki_types::pem::Error,
    },
    /// There is none.
    #[error("the {0} holds no certificate")]
    Empty(&'static str),
    /// Key and certificate do not fit, or TLS refuses them.
    #[error("the certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The CA of clients cannot be used.
    #[error("the CA of clients cannot be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|cause| CertificateError::Pem { what, cause })?;
    if all.is_empty() { Err(CertificateError::Empty(what)) } else { Ok(all) }
}

pub(super) fn certified_key(material: &Material) -> Result<CertifiedKey, CertificateError> {
    let chain = certificates(&material.certificate, "certificate file")?;
    certificates(&material.ca, "CA file")?;
    let key = PrivateKeyDer::from_pem_slice(material.key.as_bytes())
        .map_err(|cause| CertificateError::Pem { what: "key", cause })?;
    Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
}

#[derive(Debug)]
struct Current(watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}

/// How to serve TLS with the current certificate. Clients may show a certificate of `client_ca`, if it is given; one
/// of another CA is refused.
///
/// # Errors
/// When `client_ca` cannot be used.
pub fn server_config(
    current: watch::Receiver<Arc<CertifiedKey>>,
    client_ca: Option<&str>,
    protocols: &[&str],
) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "CA of clients")? {
                roots.add(certificate)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Current(current)));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}
