//! The resources as data: every field, what it means and where it is enforced.
//!
//! The pages in `docs/reference` and the JSON Schemas beside them are written from these tables, and a test holds
//! the tables against the readers: what stands here is read, and nothing else is.

mod cidr_group;
mod cilium;
mod cluster;
mod inventory;
mod kubernetes;
mod page;
mod policy_test;
mod schema;

pub use page::page;
pub use schema::json_schema;

/// A kind of document.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// Its kind.
    pub kind: &'static str,
    /// The value of `apiVersion`.
    pub version: &'static str,
    /// Whether `metadata` has a namespace.
    pub namespaced: bool,
    /// What it is for.
    pub about: &'static str,
    /// An example that means something, as YAML.
    pub example: &'static str,
    /// Its fields beside `apiVersion`, `kind`, `metadata` and `status`.
    pub fields: &'static [Field],
}

impl Resource {
    /// The name of its files, without the ending.
    pub fn file_name(&self) -> String {
        let group = self.version.split('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
        let version = self.version.rsplit('/').next().unwrap_or_default();
        format!("{}-{group}-{version}", self.kind.to_lowercase())
    }
}

/// A field of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it means.
    pub about: &'static str,
    /// Who makes it true.
    pub enforced: Enforced,
    /// Whether it must be there.
    pub required: bool,
}

/// What a field takes.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// Text.
    Text,
    /// Text that is one of these.
    OneOf(&'static [&'static str]),
    /// A whole number in these bounds.
    Number(i64, i64),
    /// A whole number, or text.
    NumberOrText,
    /// true or false.
    Boolean,
    /// An object with these fields.
    Object(&'static [Field]),
    /// An object of texts by names of the writer's choice.
    Texts,
    /// A list.
    List(&'static Takes),
    /// An object that is not looked into.
    Anything,
}

/// Who makes true what a field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// Every data plane: kernel and proxies.
    Everywhere,
    /// The proxies, request by request; the kernel steers the connections to them.
    Requests,
    /// The kernel; proxies see TCP only.
    Kernel,
    /// Nobody yet: the rule is quarantined.
    Quarantined,
    /// Nobody: it says something to people or tools.
    Said,
}

/// Every resource that is read, in the order of the pages.
pub const RESOURCES: [Resource; 8] = [
    cilium::NAMESPACED,
    cilium::CLUSTERWIDE,
    cilium::LEGACY,
    kubernetes::NETWORK_POLICY,
    cluster::CLUSTER_NETWORK_POLICY,
    cidr_group::CIDR_GROUP,
    inventory::WORKLOAD,
    policy_test::POLICY_TEST,
];

const fn field(name: &'static str, takes: Takes, enforced: Enforced, about: &'static str) -> Field {
    Field { name, takes, about, enforced, required: false }
}

const fn required(name: &'static str, takes: Takes, enforced: Enforced, about: &'static str) -> Field {
    Field { required: true, ..field(name, takes, enforced, about) }
}

#[cfg(test)]
mod tests;
