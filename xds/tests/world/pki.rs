//! Certificates of the test's own.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

pub(crate) struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    pub(crate) server: Certified,
}

pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Pki {
    pub(crate) fn new() -> Pki {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // An issuer that is called as the subject looks self-signed to BoringSSL.
        params.distinguished_name.push(DnType::CommonName, "the test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let server = sign(&authority, "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        Pki { authority, server }
    }

    pub(crate) fn authority(&self) -> String {
        self.authority.pem()
    }

    pub(crate) fn client(&self, name: &str) -> Certified {
        sign(&self.authority, name, ExtendedKeyUsagePurpose::ClientAuth)
    }
}

fn sign(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> Certified {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, authority).unwrap();
    Certified { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
}
