//! The Secret that keeps the CA and the certificate for all replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::authority::{Authority, AuthorityError, Issued, Name, NameError};
use super::{Material, resolver};

/// The Secret's name.
pub const SECRET: &str = "postern-controller-tls";

const RENEW_AT: &str = "postern.dev/renew-at";
const CA_RENEW_AT: &str = "postern.dev/ca-renew-at";
const NAMES: &str = "postern.dev/names";

/// Why the Secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Something of it is missing.
    #[error("secret {SECRET} has no usable {0}: delete the secret, and it is made anew")]
    Missing(&'static str),
    /// It was made for a name that is none: whoever wrote it was not a controller.
    #[error("secret {SECRET}, annotation {NAMES}: {0}; delete the secret, and it is made anew")]
    Name(#[from] NameError),
    /// The certificate does not fit.
    #[error("secret {SECRET}: {0}; delete the secret, and it is made anew")]
    Certificate(#[from] resolver::CertificateError),
}

/// What the Secret holds.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    authority: Authority,
    issued: Issued,
    names: BTreeSet<Name>,
}

impl Kept {
    pub(super) fn new(names: &[Name], now: SystemTime) -> Result<Self, AuthorityError> {
        Self::issue(Authority::new(now)?, names.iter().cloned().collect(), now)
    }

    fn issue(authority: Authority, names: BTreeSet<Name>, now: SystemTime) -> Result<Self, AuthorityError> {
        let issued = authority.issue(&names, now)?;
        Ok(Self { authority, issued, names })
    }

    /// The next version, if this one is too old or lacks a name. What it has of names it keeps: another replica asked
    /// for them.
    pub(super) fn renewed(&self, names: &[Name], now: SystemTime) -> Result<Option<Self>, AuthorityError> {
        let wanted: BTreeSet<Name> = names.iter().cloned().collect();
        let ca_is_old = now >= self.authority.renew_at;
        if !ca_is_old && now < self.issued.renew_at && wanted.is_subset(&self.names) {
            return Ok(None);
        }
        let authority = if ca_is_old { self.authority.renewed(now)? } else { self.authority.clone() };
        Self::issue(authority, self.names.union(&wanted).cloned().collect(), now).map(Some)
    }

    pub(super) fn material(&self) -> Material {
        Material {
            ca: self.authority.certificate.clone(),
            certificate: self.issued.certificate.clone(),
            key: self.issued.key.clone(),
            renew_at: Some(self.issued.renew_at.min(self.authority.renew_at)),
        }
    }

    pub(super) fn read(secret: &Secret) -> Result<Self, SecretError> {
        let text = |key: &'static str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
            text.ok_or(SecretError::Missing(key))
        };
        let note = |key: &'static str| {
            let notes = secret.metadata.annotations.as_ref();
            notes.and_then(|notes| notes.get(key)).ok_or(SecretError::Missing(key))
        };
        let time = |key: &'static str| {
            let seconds = note(key)?.parse().map_err(|_| SecretError::Missing(key))?;
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            time.ok_or(SecretError::Missing(key))
        };
        let kept = Self {
            authority: Authority {
                certificate: text("ca.crt")?,
                key: text("ca.key")?,
                renew_at: time(CA_RENEW_AT)?,
            },
            issued: Issued {
                certificate: text("tls.crt")?,
                key: text("tls.key")?,
                renew_at: time(RENEW_AT)?,
            },
            names: parse_names(note(NAMES)?)?,
        };
        resolver::certified_key(&kept.material())?;
        Ok(kept)
    }

    /// The Secret to write; over `old`, if there is one.
    pub(super) fn write(&self, namespace: &str, old: Option<Secret>) -> Secret {
        let bytes = |text: &String| ByteString(text.clone().into_bytes());
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            since.as_secs().to_string()
        };
        let mut metadata = old.map_or_else(
            || ObjectMeta {
                name: Some(SECRET.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            |old| old.metadata,
        );
        metadata.annotations.get_or_insert_default().extend([
            (RENEW_AT.to_owned(), seconds(self.issued.renew_at)),
            (CA_RENEW_AT.to_owned(), seconds(self.authority.renew_at)),
            (NAMES.to_owned(), self.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        ]);
        Secret {
            metadata,
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(BTreeMap::from([
                ("ca.crt".to_owned(), bytes(&self.authority.certificate)),
                ("ca.key".to_owned(), bytes(&self.authority.key)),
                ("tls.crt".to_owned(), bytes(&self.issued.certificate)),
                ("tls.key".to_owned(), bytes(&self.issued.key)),
            ])),
            ..Secret::default()
        }
    }
}

fn parse_names(list: &str) -> Result<BTreeSet<Name>, NameError> {
    // Of no names there is nothing to separate.
    list.split(',').filter(|_| !list.is_empty()).map(str::parse).collect()
}

#[cfg(test)]
mod tests;
