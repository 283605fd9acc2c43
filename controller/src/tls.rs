//! The controller's own certificate: where it comes from, how it is renewed, who is told of its CA.

mod authority;
mod files;
mod keeper;
mod publish;
mod resolver;
mod secret;

use std::time::SystemTime;

pub use authority::{AuthorityError, Name, NameError};
pub use files::FilesError;
pub use keeper::{Keeper, KeeperError, Source};
pub use publish::{CONFIG_MAP, PublishError, publish};
pub use resolver::{CertificateError, server_config};
pub use secret::{SECRET, SecretError};

/// A CA, and a certificate of it with its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// The certificates that clients are to trust.
    pub ca: String,
    /// The serving certificate, with the ones between it and the CA.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// When it is to be replaced; never, where somebody else looks after it.
    pub renew_at: Option<SystemTime>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}
