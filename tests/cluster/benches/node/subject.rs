//! What is compared.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::datapath::Guard;
use crate::ground::Place;
use crate::nft;
use crate::policy::{SIZES, Size};

/// Who stands between the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Nobody,
    Nft(Size),
    Postern(Size),
}

/// The name of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Who {
    Nobody,
    Nftables,
    Postern,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "no program",
            Self::Nftables => "nftables, sets",
            Self::Postern => "postern",
        })
    }
}

/// A subject in force. Dropping it lifts it.
pub(crate) enum InForce {
    Nobody,
    Nft,
    Postern(Box<Guard>),
}

impl Subject {
    /// All, the one that the others are compared with first.
    pub(crate) fn all() -> Vec<Self> {
        let both = |size| [Self::Nft(size), Self::Postern(size)];
        std::iter::once(Self::Nobody).chain(SIZES.into_iter().flat_map(both)).collect()
    }

    /// Its name, and how many entries its policy has.
    pub(crate) fn name(self) -> (Who, Option<u32>) {
        match self {
            Self::Nobody => (Who::Nobody, None),
            Self::Nft(size) => (Who::Nftables, Some(size.entries())),
            Self::Postern(size) => (Who::Postern, Some(size.entries())),
        }
    }

    pub(crate) fn apply(self, place: &Place) -> Result<InForce> {
        match self {
            Self::Nobody => Ok(InForce::Nobody),
            Self::Nft(size) => nft::apply(size).map(|()| InForce::Nft),
            Self::Postern(size) => Guard::apply(place, size).map(|guard| InForce::Postern(Box::new(guard))),
        }
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        if matches!(self, Self::Nft)
            && let Err(error) = nft::lift()
        {
            eprintln!("{error:#}");
        }
    }
}
