//! Printing: policies and worlds as the YAML documents that users write.

mod cilium;
mod kubernetes;
mod selector;
mod tiered;
mod world;
mod yaml;

use crate::policy::Policy;
use crate::world::World;
use yaml::{Yaml, map, text};

/// The policies, one document each, and the CIDR groups that stand among them.
pub fn policies(policies: &[Policy], world: &World) -> String {
    let groups = world.groups.iter().filter(|group| group.among_policies).map(world::group);
    let documents = policies.iter().map(|policy| match policy {
        Policy::Cilium(policy) => cilium::document(policy),
        Policy::Kubernetes(policy) => kubernetes::document(policy),
        Policy::Tiered(policy) => tiered::document(policy),
    });
    stream(documents.chain(groups))
}

/// The inventory.
pub fn inventory(world: &World) -> String {
    stream(world::documents(world).into_iter())
}

fn stream(documents: impl Iterator<Item = Yaml>) -> String {
    let documents: Vec<String> = documents.map(|document| document.to_string()).collect();
    documents.join("---\n")
}

/// `apiVersion`, `kind` and `metadata`.
fn head(version: &str, kind: &str, metadata: Vec<(String, Yaml)>) -> Vec<(String, Yaml)> {
    vec![
        ("apiVersion".to_owned(), text(version)),
        ("kind".to_owned(), text(kind)),
        ("metadata".to_owned(), Yaml::Map(metadata)),
    ]
}

/// The metadata of a policy.
fn metadata(name: &str, namespace: Option<&str>, audit: bool) -> Vec<(String, Yaml)> {
    let mut metadata = vec![("name".to_owned(), text(name))];
    metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), text(namespace))));
    if audit {
        metadata.push(("annotations".to_owned(), map(vec![("postern.dev/audit", text("true"))])));
    }
    metadata
}
