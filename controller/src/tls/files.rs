//! A certificate from files, which somebody else looks after.

use std::io;
use std::path::{Path, PathBuf};

use super::{Material, resolver};

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// They do not fit.
    #[error("{path}: {cause}")]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// The reason.
        cause: resolver::CertificateError,
    },
}

pub(super) fn read(certificate: &Path, key: &Path, ca: &Path) -> Result<Material, FilesError> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|cause| FilesError::Read { path: path.to_owned(), cause })
    };
    let material =
        Material { ca: text(ca)?, certificate: text(certificate)?, key: text(key)?, renew_at: None };
    resolver::certified_key(&material)
        .map_err(|cause| FilesError::Certificate { path: certificate.to_owned(), cause })?;
    Ok(material)
}
