//! The certificates and keys of one API server.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::Options;

/// The files of the folder, by what the server's options call them.
pub(super) const CA: &str = "ca.crt";
pub(super) const SERVER: [&str; 2] = ["server.crt", "server.key"];
pub(super) const ADMIN: [&str; 2] = ["admin.crt", "admin.key"];
/// Signs and checks the tokens of service accounts.
pub(super) const TOKENS: [&str; 2] = ["tokens.pub", "tokens.key"];

/// A certificate and its key, both as PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// The parts that clients are given.
#[derive(Debug)]
pub(super) struct Keys {
    ca: String,
    admin: Identity,
}

impl Keys {
    /// Makes everything anew, and the files for the server.
    pub(super) fn make(dir: &Path, options: &Options) -> Result<Keys> {
        let mut authority = named("test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
            .map(str::to_owned)
            .to_vec();
        names.extend(["127.0.0.1".to_owned(), options.bind.to_string()]);
        names.extend(options.names.iter().cloned());
        names.sort();
        names.dedup();
        let mut server = CertificateParams::new(names).context("a name that no certificate can have")?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = issue(&authority, &server)?;

        let mut admin = named("admin");
        // The group that no rule is asked for.
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let admin = issue(&authority, &admin)?;

        let tokens = KeyPair::generate()?;
        let tokens = Identity { certificate: tokens.public_key_pem(), key: tokens.serialize_pem() };
        let ca = authority.pem();
        fs::write(dir.join(CA), &ca).context("cannot write a certificate")?;
        for (files, identity) in [(SERVER, &server), (ADMIN, &admin), (TOKENS, &tokens)] {
            let [certificate, key] = files.map(|name| dir.join(name));
            fs::write(certificate, &identity.certificate).context("cannot write a certificate")?;
            fs::write(key, &identity.key).context("cannot write a key")?;
        }
        Ok(Keys { ca, admin })
    }

    pub(super) fn ca_pem(&self) -> &str {
        &self.ca
    }

    pub(super) fn admin(&self) -> &Identity {
        &self.admin
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn issue(authority: &CertifiedIssuer<'_, KeyPair>, params: &CertificateParams) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority).context("cannot sign a certificate")?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}
