//! What is distributed: types, names, versions, bodies.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::google::protobuf::Any;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A type of resource, in the order in which types are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// Who has which address: a [`postern_policy_wire::Identity`] as JSON. Its name is its number.
    Identity,
    /// A [`crate::service::Service`] as JSON. Its name is `namespace/name`.
    Service,
    /// A workload and its policy: a [`postern_policy_wire::Endpoint`] as JSON. Its name is `namespace/name`.
    Endpoint,
    /// Envoy's configuration of one of the filter's plugins. Its name is the plugin's root id.
    ExtensionConfig,
}

impl ResourceType {
    /// All types, in the order in which they are sent.
    pub const ALL: [ResourceType; 4] = [
        ResourceType::Identity,
        ResourceType::Service,
        ResourceType::Endpoint,
        ResourceType::ExtensionConfig,
    ];

    /// The URL by which requests and responses name the type.
    pub fn type_url(self) -> &'static str {
        match self {
            ResourceType::Identity => "type.postern.dev/postern.v1alpha1.Identity",
            ResourceType::Service => "type.postern.dev/postern.v1alpha1.Service",
            ResourceType::Endpoint => "type.postern.dev/postern.v1alpha1.Endpoint",
            ResourceType::ExtensionConfig => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The type that has this URL.
    pub fn from_type_url(url: &str) -> Option<ResourceType> {
        ResourceType::ALL.into_iter().find(|resource_type| resource_type.type_url() == url)
    }

    /// Whether resources of the type mean something only together: an address that moves from one identity to
    /// another must not be in neither. Of the other types, each can be taken or refused by itself.
    pub(crate) fn is_taken_whole(self) -> bool {
        match self {
            ResourceType::Identity | ResourceType::Service => true,
            ResourceType::Endpoint | ResourceType::ExtensionConfig => false,
        }
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResourceType::Identity => "Identity",
            ResourceType::Service => "Service",
            ResourceType::Endpoint => "Endpoint",
            ResourceType::ExtensionConfig => "ExtensionConfig",
        })
    }
}

/// One resource as it is sent. Cloning it copies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Unique within its type.
    pub name: Arc<str>,
    /// Changes whenever the body does, and only then: the beginning of the body's digest.
    pub version: Arc<str>,
    /// What `Any.value` holds.
    pub body: Bytes,
}

impl Resource {
    /// A resource with the version that follows from its body.
    pub fn new(name: impl Into<Arc<str>>, body: impl Into<Bytes>) -> Resource {
        let body = body.into();
        Resource { name: name.into(), version: digest(&body).into(), body }
    }

    pub(crate) fn to_any(&self, resource_type: ResourceType) -> Any {
        Any { type_url: resource_type.type_url().to_owned(), value: self.body.to_vec() }
    }
}

/// Half of a SHA-256: long enough that nobody finds two bodies with one version.
fn digest(body: &[u8]) -> String {
    let mut text = String::with_capacity(32);
    for byte in Sha256::digest(body).iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A value that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("{resource_type} {name} cannot be written as JSON: {source}")]
pub struct EncodeError {
    resource_type: ResourceType,
    name: String,
    source: serde_json::Error,
}

impl EncodeError {
    pub(crate) fn new(resource_type: ResourceType, name: String, source: serde_json::Error) -> EncodeError {
        EncodeError { resource_type, name, source }
    }
}

/// A value beside the resource that it is sent as, so that it is written and digested once for all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    value: T,
    resource: Resource,
}

impl<T> Versioned<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// As it is sent.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

/// A value that is sent as JSON under a name of its own.
pub trait Named: Serialize {
    /// The type it is a resource of.
    const TYPE: ResourceType;

    /// Its name among those.
    fn resource_name(&self) -> String;
}

impl Named for postern_policy_wire::Identity {
    const TYPE: ResourceType = ResourceType::Identity;

    fn resource_name(&self) -> String {
        self.id.to_string()
    }
}

impl Named for postern_policy_wire::Endpoint {
    const TYPE: ResourceType = ResourceType::Endpoint;

    fn resource_name(&self) -> String {
        self.name.clone()
    }
}

impl<T: Named> Versioned<T> {
    /// The value with its resource.
    pub fn new(value: T) -> Result<Versioned<T>, EncodeError> {
        let name = value.resource_name();
        match serde_json::to_vec(&value) {
            Ok(body) => Ok(Versioned { resource: Resource::new(name, body), value }),
            Err(source) => Err(EncodeError::new(T::TYPE, name, source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_its_url() {
        for resource_type in ResourceType::ALL {
            assert_eq!(ResourceType::from_type_url(resource_type.type_url()), Some(resource_type));
        }
        assert_eq!(ResourceType::from_type_url("type.postern.dev/postern.v1alpha1.Other"), None);
    }

    #[test]
    fn the_version_follows_the_body() {
        let one = Resource::new("a", "body");
        assert_eq!(one.version, Resource::new("b", "body").version);
        assert_ne!(one.version, Resource::new("a", "another").version);
        assert_eq!(&*one.version, "230d8358dc8e8890b4c58deeb62912ee");
    }
}
