//! Makes the CA and certificates of it. No clock, no cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
const CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A certificate is valid from a while ago: clocks differ.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The library refuses.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A name that the controller is called by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A host name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// A name is neither a host name nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no server name: expected a host name such as controller.example or an address")]
pub struct NameError(String);

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        let label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(inner)
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self::Dns(text.to_ascii_lowercase()))
        } else {
            Err(NameError(text.to_owned()))
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// A CA as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Its certificate, as PEM.
    pub(super) certificate: String,
    /// Its key, as PEM.
    pub(super) key: String,
    /// When its certificate is to be renewed.
    pub(super) renew_at: SystemTime,
}

/// A serving certificate as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) renew_at: SystemTime,
}

impl Authority {
    /// A CA with a key of its own.
    pub(super) fn new(now: SystemTime) -> Result<Self, AuthorityError> {
        Self::with_key(&KeyPair::generate()?, now)
    }

    /// The same CA for another ten years: with the same key and name, so that certificates of both verify by either.
    pub(super) fn renewed(&self, now: SystemTime) -> Result<Self, AuthorityError> {
        Self::with_key(&KeyPair::from_pem(&self.key)?, now)
    }

    fn with_key(key: &KeyPair, now: SystemTime) -> Result<Self, AuthorityError> {
        let mut parameters = ca_parameters();
        lifetime(&mut parameters, now, CA_LIFE);
        Ok(Self {
            certificate: parameters.self_signed(key)?.pem(),
            key: key.serialize_pem(),
            renew_at: now + CA_LIFE - 365 * DAY,
        })
    }

    /// A serving certificate with a key of its own.
    pub(super) fn issue(&self, names: &BTreeSet<Name>, now: SystemTime) -> Result<Issued, AuthorityError> {
        let issuer = Issuer::new(ca_parameters(), KeyPair::from_pem(&self.key)?);
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "postern-controller");
        for name in names {
            parameters.subject_alt_names.push(match name {
                Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                Name::Ip(address) => SanType::IpAddress(*address),
            });
        }
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        lifetime(&mut parameters, now, CERTIFICATE_LIFE);
        let key = KeyPair::generate()?;
        Ok(Issued {
            certificate: parameters.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
            renew_at: now + CERTIFICATE_LIFE - 30 * DAY,
        })
    }
}

/// What is the same in every certificate of the CA; an issuer is made from it without reading one.
fn ca_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "postern-controller CA");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

fn lifetime(parameters: &mut CertificateParams, now: SystemTime, life: Duration) {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + since_epoch.saturating_sub(SKEW);
    parameters.not_after = epoch + since_epoch + life;
    // Two certificates of one issuer never share a number.
    parameters.serial_number = Some(SerialNumber::from_slice(&since_epoch.as_nanos().to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hosts_or_addresses() {
        assert_eq!("::1".parse(), Ok(Name::Ip("::1".parse().unwrap())));
        assert_eq!("[::1]".parse(), Ok(Name::Ip("::1".parse().unwrap())));
        assert_eq!("A.example".parse(), Ok(Name::Dns("a.example".to_owned())));
        for bad in ["", "a..b", "a b", "https://a", "a:1"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
