//! An authority, the server's certificate, and those of clients.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Where every server of these tests listens, as its certificate says.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 1));

/// One authority, which signed the server's certificate.
#[derive(Debug)]
pub struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    server: (String, String),
}

impl Pki {
    /// Makes everything anew.
    pub fn new() -> Result<Pki> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let names = vec![SanType::IpAddress(SERVER)];
        let (certificate, key) = sign(&authority, names, ExtendedKeyUsagePurpose::ServerAuth)?;
        Ok(Pki { server: (certificate.pem(), key.serialize_pem()), authority })
    }

    /// Whom servers and clients trust, as PEM.
    #[must_use]
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// The server's certificate and key, as PEM.
    #[must_use]
    pub fn server(&self) -> (&str, &str) {
        (&self.server.0, &self.server.1)
    }

    /// What a client without certificate connects with.
    pub fn anonymous(&self) -> Result<Arc<ClientConfig>> {
        Ok(Arc::new(self.client()?.with_no_client_auth()))
    }

    /// What a client connects with whose certificate, signed by `authority`, has these URIs.
    pub fn with_uris(&self, authority: &Pki, uris: &[&str]) -> Result<Arc<ClientConfig>> {
        let names = uris.iter().map(|uri| Ok(SanType::URI((*uri).try_into()?)));
        let names = names.collect::<Result<_, rcgen::Error>>().context("a name is no URI")?;
        let (certificate, key) = sign(&authority.authority, names, ExtendedKeyUsagePurpose::ClientAuth)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = self.client()?.with_client_auth_cert(vec![certificate.der().clone()], key);
        Ok(Arc::new(config.context("a certificate that rustls does not take")?))
    }

    fn client(&self) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).context("the authority is none")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(roots))
    }
}

fn sign(
    authority: &CertifiedIssuer<'static, KeyPair>,
    names: Vec<SanType>,
    usage: ExtendedKeyUsagePurpose,
) -> Result<(Certificate, KeyPair)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    // Without a subject, as the certificates of meshes are: nothing may depend on one.
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params.extended_key_usages = vec![usage];
    Ok((params.signed_by(&key, authority)?, key))
}
