//! A snapshot as one client sees it: with the configuration of its own filters.

use std::sync::Arc;

use crate::extension::{Attachment, extension_configs};
use crate::resource::{EncodeError, Resource, ResourceType};
use crate::snapshot::NodeSnapshot;

#[derive(Debug, Clone)]
pub(super) struct View {
    snapshot: Arc<NodeSnapshot>,
    extensions: Arc<[Resource]>,
}

impl View {
    /// The view of a client that has no filters.
    pub(super) fn plain(snapshot: Arc<NodeSnapshot>) -> View {
        View { snapshot, extensions: Arc::new([]) }
    }

    /// The view of a client whose filters are attached so.
    pub(super) fn with_extensions(
        snapshot: Arc<NodeSnapshot>,
        attachment: &Attachment,
    ) -> Result<View, EncodeError> {
        let extensions = extension_configs(&snapshot, attachment)?.into();
        Ok(View { snapshot, extensions })
    }

    pub(super) fn snapshot(&self) -> Arc<NodeSnapshot> {
        Arc::clone(&self.snapshot)
    }

    pub(super) fn revision(&self) -> u64 {
        self.snapshot.revision
    }

    pub(super) fn all(&self, resource_type: ResourceType) -> Box<dyn Iterator<Item = &Resource> + '_> {
        match resource_type {
            ResourceType::ExtensionConfig => Box::new(self.extensions.iter()),
            _ => self.snapshot.resources(resource_type),
        }
    }

    pub(super) fn get(&self, resource_type: ResourceType, name: &str) -> Option<&Resource> {
        match resource_type {
            ResourceType::ExtensionConfig => self.extensions.iter().find(|it| *it.name == *name),
            _ => self.snapshot.resource(resource_type, name),
        }
    }

    /// Whether both are known to have the same resources of a type, without a look at them.
    pub(super) fn shares(&self, other: &View, resource_type: ResourceType) -> bool {
        match resource_type {
            ResourceType::ExtensionConfig => Arc::ptr_eq(&self.extensions, &other.extensions),
            _ => self.snapshot.shares(&other.snapshot, resource_type),
        }
    }
}
