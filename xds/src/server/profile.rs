//! What a client says of itself.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::google::protobuf::{Value, value::Kind};
use postern_policy_wire::Direction;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use tonic::Status;

use super::report::ClientKind;
use crate::extension::Attachment;
use crate::metadata;

/// A client's own words, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) kind: ClientKind,
    pub(super) attachment: Attachment,
}

impl Profile {
    /// Reads the metadata. Only the key that repeats the node's name speaks of who the client is, and all that
    /// it can do is to disagree with `proven`.
    pub(super) fn read(node: Option<&Node>, proven: &str) -> Result<Profile, Status> {
        let mut profile = Profile { kind: ClientKind::Envoy, attachment: Attachment::default() };
        let metadata = node.and_then(|node| node.metadata.as_ref());
        for (key, value) in metadata.into_iter().flat_map(|metadata| &metadata.fields) {
            if key.starts_with(metadata::PREFIX) {
                profile.take(key, &text(key, value)?, proven)?;
            }
        }
        Ok(profile)
    }

    fn take(&mut self, key: &str, text: &str, proven: &str) -> Result<(), Status> {
        match key {
            metadata::NODE if text != proven => {
                return Err(Status::permission_denied(format!(
                    "node metadata: {key} is {text:?}, but the credentials are those of node {proven:?}"
                )));
            }
            metadata::NODE => {}
            metadata::KIND => {
                self.kind = match text {
                    "node" => ClientKind::Node,
                    "proxy" => ClientKind::Proxy,
                    _ => return Err(invalid(key, text, "node or proxy")),
                }
            }
            metadata::WORKLOAD => match text.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                    self.attachment.workload = Some(text.to_owned());
                }
                _ => return Err(invalid(key, text, "namespace/name")),
            },
            metadata::DIRECTION => {
                let direction = Direction::deserialize(text.into_deserializer());
                let direction: Result<_, serde::de::value::Error> = direction;
                self.attachment.direction =
                    Some(direction.map_err(|_| invalid(key, text, "ingress, egress or both"))?);
            }
            metadata::PORT => match text.parse() {
                Ok(port) if port != 0 => self.attachment.port = Some(port),
                _ => return Err(invalid(key, text, "a port, 1 to 65535")),
            },
            metadata::MODULE if text.starts_with('/') => text.clone_into(&mut self.attachment.module),
            metadata::MODULE => return Err(invalid(key, text, "an absolute path")),
            _ => {
                return Err(Status::invalid_argument(format!(
                    "node metadata: {key} is not known: remove it"
                )));
            }
        }
        Ok(())
    }
}

fn invalid(key: &str, found: &str, expected: &str) -> Status {
    Status::invalid_argument(format!("node metadata: {key}: expected {expected}, found {found:?}"))
}

/// A port may be written as a number.
fn text(key: &str, value: &Value) -> Result<String, Status> {
    match &value.kind {
        Some(Kind::StringValue(text)) => Ok(text.clone()),
        Some(Kind::NumberValue(number)) => Ok(number.to_string()),
        _ => Err(Status::invalid_argument(format!("node metadata: {key}: expected text"))),
    }
}

#[cfg(test)]
mod tests;
