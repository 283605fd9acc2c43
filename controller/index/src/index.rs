//! The index: takes what was seen, publishes what follows.

mod publish;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use postern_policy_core::identity::Who;
use postern_policy_core::policy::RuleId;
use postern_policy_core::resolver::{Numbering, Resolver};
use postern_policy_core::world::{Node, WorkloadName};
use postern_policy_wire::{DirectionPolicy, Identity};
use postern_xds::resource::{EncodeError, Versioned};

use crate::addresses::{Addresses, Effect, Owner};
use crate::backends::Backends;
use crate::cidr_groups::CidrGroups;
use crate::event::{Change, Event, Kind, ObjectKey, ObjectRef, PolicyChange, PolicyKey};
use crate::nodes::NodeState;
use crate::numbers::{self, Numbers};
use crate::objects::{self, ObjectError, Pod};
use crate::outputs::{Outputs, Publisher};
use crate::policies::Policies;
use crate::prefixes::Prefixes;
use crate::services::Services;

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The longest text that says what is wrong with a policy, in characters.
    pub message_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        // Events take 1,024 bytes, and the sentence about what is in force comes on top.
        Self { message_limit: 800 }
    }
}

/// Something that became invalid: for a Kubernetes Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it is.
    pub object: ObjectRef,
    /// What is wrong, and what is done about it.
    pub message: String,
}

/// What came of some events, besides what was published.
#[derive(Debug, Default)]
#[must_use]
pub struct Changes {
    /// What became invalid.
    pub refused: Vec<Refused>,
    /// What could not be written down and is left out. This does not happen to anything that was read.
    pub failed: Vec<EncodeError>,
    /// The revision that was published, if anything changed for any node.
    pub revision: Option<u64>,
}

/// A pod, who it is, and what policies say of it.
#[derive(Debug)]
struct PodEntry {
    pod: Pod,
    /// None for one on its node's network: it is its node.
    who: Option<Who>,
    /// As it was last resolved: of what goes to it, and of what it sends.
    policy: Option<(DirectionPolicy, DirectionPolicy)>,
}

/// The state of a cluster. It has one writer; readers follow its [`Outputs`].
#[derive(Debug)]
pub struct Index {
    config: Config,
    /// The kinds whose first list is complete.
    synced: BTreeSet<Kind>,
    /// The objects that were seen of the kinds that are being listed again.
    seen: BTreeMap<Kind, BTreeSet<ObjectKey>>,
    pods: BTreeMap<WorkloadName, PodEntry>,
    /// The world and the policies in force, and what follows from them.
    resolver: Resolver,
    namespaces: BTreeSet<String>,
    /// The addresses of each.
    nodes: BTreeMap<String, Vec<IpAddr>>,
    services: Services,
    backends: Backends,
    cidr_groups: CidrGroups,
    policies: Policies,
    numbers: Numbers,
    prefixes: Prefixes,
    addresses: Addresses,
    /// What each node is told; one for each node that exists or that pods are on.
    states: BTreeMap<String, NodeState>,
    published_identities: Arc<BTreeMap<u32, Arc<Versioned<Identity>>>>,
    dirty: Dirty,
    revision: u64,
    publisher: Publisher,
}

/// What has to be looked at again.
#[derive(Debug, Default)]
struct Dirty {
    /// The endpoints that may be another, and the node each was on.
    endpoints: BTreeSet<(Option<String>, WorkloadName)>,
    /// Who has another number.
    numbers: BTreeSet<Who>,
    /// Who has which address.
    addresses: bool,
    /// Which labels and nodes there are.
    owners: bool,
    /// Which nodes there are.
    nodes: bool,
}

impl Index {
    /// An index of an empty cluster.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            synced: BTreeSet::new(),
            seen: BTreeMap::new(),
            pods: BTreeMap::new(),
            resolver: Resolver::new(Numbering::Given),
            namespaces: BTreeSet::new(),
            nodes: BTreeMap::new(),
            services: Services::default(),
            backends: Backends::default(),
            cidr_groups: CidrGroups::default(),
            policies: Policies::default(),
            numbers: Numbers::default(),
            prefixes: Prefixes::default(),
            addresses: Addresses::default(),
            states: BTreeMap::new(),
            published_identities: Arc::default(),
            dirty: Dirty { owners: true, ..Dirty::default() },
            revision: 0,
            publisher: Publisher::new(),
        }
    }

    /// What the index publishes.
    pub fn outputs(&self) -> Outputs {
        self.publisher.outputs()
    }

    /// Whether every kind was listed: whether anything is published.
    pub fn is_synced(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.synced.contains(kind))
    }

    /// Takes what was seen, in the order in which it was seen, and publishes what follows from all of it.
    pub fn apply(&mut self, events: impl IntoIterator<Item = Event>) -> Changes {
        let mut changes = Changes::default();
        for event in events {
            self.take(event, &mut changes);
        }
        self.publish(&mut changes);
        changes
    }

    /// A node has taken everything up to this revision: for `Acked` of clients that are node agents.
    pub fn acknowledge(&mut self, node: &str, revision: u64) {
        self.acknowledge_except(node, revision, []);
    }

    /// A node has taken everything up to this revision but these endpoints, named `namespace/name`.
    pub fn acknowledge_except(
        &mut self,
        node: &str,
        revision: u64,
        refused: impl IntoIterator<Item = String>,
    ) {
        if let Some(state) = self.states.get_mut(node) {
            state.acknowledge(revision, refused.into_iter().collect());
            self.publish(&mut Changes::default());
        }
    }

    /// The proxy of a node, ours or an Envoy, has taken everything up to this revision.
    pub fn acknowledge_proxy(&mut self, node: &str, revision: u64) {
        if let Some(state) = self.states.get_mut(node) {
            state.acknowledge_proxy(revision);
            self.publish(&mut Changes::default());
        }
    }

    /// A node's agent is gone: for `Disconnected` of its last stream.
    pub fn disconnected(&mut self, node: &str) {
        if let Some(state) = self.states.get_mut(node) {
            state.disconnected();
            self.publish(&mut Changes::default());
        }
    }

    fn take(&mut self, event: Event, changes: &mut Changes) {
        match event {
            Event::Relist(kind) => drop(self.seen.insert(kind, BTreeSet::new())),
            Event::Synced(kind) => self.synced(kind),
            Event::Pod(Change::Applied(pod)) => {
                let (key, uid) = objects::identify(&pod.metadata);
                let object = self.see(Kind::Pod, key, uid);
                // It stays, with every path read strictly.
                if let Err(error) = objects::profiles(&pod) {
                    changes.refused.push(Refused { object: object.clone(), message: error.to_string() });
                }
                let pod = read(&object, objects::pod(&pod), changes);
                self.set_pod(&object, pod, changes);
            }
            Event::Namespace(Change::Applied(namespace)) => {
                let (key, uid) = objects::identify(&namespace.metadata);
                let object = self.see(Kind::Namespace, key, uid);
                let labels = namespace.metadata.labels.unwrap_or_default();
                self.namespaces.insert(object.key.name.clone());
                self.resolver.set_namespace(&object.key.name, labels);
                self.rename(&object.key.name);
            }
            Event::Node(Change::Applied(node)) => {
                let (key, uid) = objects::identify(&node.metadata);
                let object = self.see(Kind::Node, key, uid);
                let addresses = read(&object, objects::node_addresses(&node).map(Some), changes);
                let labels = node.metadata.labels.unwrap_or_default();
                let (name, addresses) = (object.key.name.clone(), addresses.unwrap_or_default());
                self.set_node(&object, Some(Node { name, addresses, labels }), changes);
            }
            Event::Service(Change::Applied(service)) => {
                let (key, uid) = objects::identify(&service.metadata);
                let object = self.see(Kind::Service, key, uid);
                let of_policies = objects::service_of_policies(&service);
                let service = read(&object, objects::service(&service), changes);
                self.services.set(&object.key, service);
                self.resolver.set_service(of_policies);
                self.backends.tell(&object.key.workload(), &mut self.resolver);
            }
            Event::EndpointSlice(Change::Applied(slice)) => {
                let (key, uid) = objects::identify(&slice.metadata);
                let object = self.see(Kind::EndpointSlice, key, uid);
                let slice = read(&object, objects::slice(&slice), changes);
                self.backends.set(&object.key, slice, &mut self.resolver);
            }
            Event::CidrGroup(Change::Applied(group)) => {
                let (key, uid) = (ObjectKey::cluster(&group.name), group.uid.clone());
                let object = self.see(Kind::CidrGroup, key, Some(uid));
                let limit = self.config.message_limit;
                if let Err(message) = self.cidr_groups.set(*group, &mut self.resolver, limit) {
                    changes.refused.push(Refused { object, message });
                }
            }
            Event::Identity(Change::Applied(identity)) => {
                let (key, uid) = objects::identify(&identity.metadata);
                let object = self.see(Kind::Identity, key, uid);
                self.set_number(&object, &identity.spec, changes);
            }
            Event::Policy(PolicyChange::Applied(policy)) => {
                let key = policy.key.clone();
                let uid = policy.uid.clone();
                let object = self.see(Kind::Policy(key.kind), object_key(&key), Some(uid));
                let replaced = self.policies.set(*policy, self.config.message_limit);
                if let Some(message) = &replaced.refused {
                    changes.refused.push(Refused { object, message: message.clone() });
                }
                if replaced.changed {
                    self.policy_changed(&key);
                }
            }
            Event::Policy(PolicyChange::Deleted(key)) => {
                self.delete(Kind::Policy(key.kind), object_key(&key));
            }
            Event::Pod(Change::Deleted(key)) => self.delete(Kind::Pod, key),
            Event::Namespace(Change::Deleted(key)) => self.delete(Kind::Namespace, key),
            Event::Node(Change::Deleted(key)) => self.delete(Kind::Node, key),
            Event::Service(Change::Deleted(key)) => self.delete(Kind::Service, key),
            Event::EndpointSlice(Change::Deleted(key)) => self.delete(Kind::EndpointSlice, key),
            Event::CidrGroup(Change::Deleted(key)) => self.delete(Kind::CidrGroup, key),
            Event::Identity(Change::Deleted(key)) => self.delete(Kind::Identity, key),
        }
    }

    /// Takes note that an object is there, for the list that is being read.
    fn see(&mut self, kind: Kind, key: ObjectKey, uid: Option<String>) -> ObjectRef {
        if let Some(seen) = self.seen.get_mut(&kind) {
            seen.insert(key.clone());
        }
        ObjectRef { kind, key, uid }
    }

    /// A list is complete: what was known and is not in it is gone.
    fn synced(&mut self, kind: Kind) {
        self.synced.insert(kind);
        let Some(seen) = self.seen.remove(&kind) else { return };
        let known: Vec<ObjectKey> = match kind {
            Kind::Pod => {
                self.pods.keys().map(|name| ObjectKey::namespaced(&name.namespace, &name.name)).collect()
            }
            Kind::Namespace => self.namespaces.iter().map(ObjectKey::cluster).collect(),
            Kind::Node => self.nodes.keys().map(ObjectKey::cluster).collect(),
            // Those without an address of their own are there too.
            Kind::Service => {
                let services = self.resolver.world().services().map(|service| &service.name);
                services.map(|name| ObjectKey::namespaced(&name.namespace, &name.name)).collect()
            }
            Kind::EndpointSlice => self.backends.keys().cloned().collect(),
            Kind::CidrGroup => self.cidr_groups.names().map(ObjectKey::cluster).collect(),
            Kind::Identity => {
                self.numbers.known().map(|number| ObjectKey::cluster(number.to_string())).collect()
            }
            Kind::Policy(kind) => self
                .policies
                .iter()
                .map(|(key, _)| key)
                .filter(|key| key.kind == kind)
                .map(object_key)
                .collect(),
        };
        for key in known.into_iter().filter(|key| !seen.contains(key)) {
            self.delete(kind, key);
        }
    }

    fn delete(&mut self, kind: Kind, key: ObjectKey) {
        if let Some(seen) = self.seen.get_mut(&kind) {
            seen.remove(&key);
        }
        let mut nothing = Changes::default();
        let object = ObjectRef { kind, key, uid: None };
        match kind {
            Kind::Pod => self.set_pod(&object, None, &mut nothing),
            Kind::Namespace => {
                self.namespaces.remove(&object.key.name);
                self.resolver.remove_namespace(&object.key.name);
                self.rename(&object.key.name);
            }
            Kind::Node => self.set_node(&object, None, &mut nothing),
            Kind::Service => {
                self.services.set(&object.key, None);
                self.resolver.remove_service(&object.key.workload());
            }
            Kind::EndpointSlice => self.backends.set(&object.key, None, &mut self.resolver),
            Kind::CidrGroup => self.cidr_groups.remove(&object.key.name, &mut self.resolver),
            Kind::Identity => {
                if let Ok(number) = Numbers::parse_name(&object.key.name) {
                    let changed = self.numbers.remove(number);
                    self.dirty.numbers.extend(changed);
                    self.dirty.owners = true;
                }
            }
            Kind::Policy(kind) => {
                let ObjectKey { namespace, name } = object.key;
                let key = PolicyKey { kind, namespace, name };
                self.policies.remove(&key);
                self.policy_changed(&key);
            }
        }
    }

    /// Tells the resolver what is in force of a policy.
    fn policy_changed(&mut self, key: &PolicyKey) {
        let rules = self.policies.get(key).map(|entry| entry.rules().to_vec()).unwrap_or_default();
        self.resolver.set_policies(&rule_id(key), rules);
    }

    fn set_pod(&mut self, object: &ObjectRef, pod: Option<Pod>, changes: &mut Changes) {
        let name = object.key.workload();
        let before = self.pods.get(&name);
        if before.map(|entry| &entry.pod) == pod.as_ref() {
            return;
        }
        let before = self.pods.remove(&name);
        self.services.touch(&name.namespace);
        // On its node's network it claims nothing: its addresses are its node's.
        let claims = |pod: Option<&Pod>| match pod {
            Some(pod) if !pod.host_network => pod.workload.addresses.clone(),
            _ => Vec::new(),
        };
        let (had, has) = (claims(before.as_ref().map(|entry| &entry.pod)), claims(pod.as_ref()));
        if let Some(before) = &before {
            self.dirty.endpoints.insert((before.pod.workload.node.clone(), name.clone()));
        }
        if had != has {
            let effect = self.addresses.claim(&Owner::Pod(name.clone()), &had, &has);
            self.dirty.addresses = true;
            self.spread(object, effect, changes);
        }
        let workload = pod.as_ref().filter(|pod| !pod.host_network).map(|pod| &pod.workload);
        match workload {
            Some(workload) => self.resolver.set_workload(workload.clone()),
            None => self.resolver.remove_workload(&name),
        }
        let who = workload.map(|workload| Who::Workloads(self.resolver.world().identity_labels(workload)));
        let (was, policy) = before.map_or((None, None), |entry| (entry.who, entry.policy));
        if was != who {
            self.dirty.owners = true;
            self.dirty.addresses = true;
        }
        if let Some(pod) = pod {
            self.dirty.endpoints.insert((pod.workload.node.clone(), name.clone()));
            self.pods.insert(name, PodEntry { pod, who, policy });
        }
    }

    /// The labels of a namespace may have changed: so have those of its pods.
    fn rename(&mut self, namespace: &str) {
        let world = self.resolver.world();
        let first = WorkloadName { namespace: namespace.to_owned(), name: String::new() };
        let of_namespace = self.pods.range_mut(first..).take_while(|(name, _)| name.namespace == namespace);
        for (_, entry) in of_namespace.filter(|(_, entry)| entry.who.is_some()) {
            let who = Some(Who::Workloads(world.identity_labels(&entry.pod.workload)));
            if entry.who != who {
                entry.who = who;
                self.dirty.owners = true;
                self.dirty.addresses = true;
            }
        }
    }

    fn set_node(&mut self, object: &ObjectRef, node: Option<Node>, changes: &mut Changes) {
        let name = object.key.name.clone();
        let addresses = node.as_ref().map(|node| node.addresses.clone());
        match node {
            Some(node) => self.resolver.set_node(node),
            None => self.resolver.remove_node(&name),
        }
        let before = match &addresses {
            Some(addresses) => self.nodes.insert(name.clone(), addresses.clone()),
            None => self.nodes.remove(&name),
        };
        if before.is_some() != addresses.is_some() {
            self.dirty.owners = true;
            self.dirty.nodes = true;
        }
        let (had, has) = (before.unwrap_or_default(), addresses.unwrap_or_default());
        if had != has {
            let effect = self.addresses.claim(&Owner::Node(name), &had, &has);
            self.dirty.addresses = true;
            self.spread(object, effect, changes);
        }
    }

    /// What a change of claims means for others, and for whoever made it.
    fn spread(&mut self, object: &ObjectRef, effect: Effect, changes: &mut Changes) {
        for name in effect.neighbours {
            let node = self.pods.get(&name).and_then(|entry| entry.pod.workload.node.clone());
            self.services.touch(&name.namespace);
            self.dirty.endpoints.insert((node, name));
        }
        for address in effect.contested {
            let owners: Vec<String> = self.addresses.owners(&address).map(ToString::to_string).collect();
            let message = format!(
                "address {address} is claimed by {}: until one of them gives it up it is nobody's, and the \
                 policies of both let nobody in under it",
                owners.join(" and by ")
            );
            changes.refused.push(Refused { object: object.clone(), message });
        }
    }

    fn set_number(
        &mut self,
        object: &ObjectRef,
        spec: &postern_controller_api::identity::PosternIdentitySpec,
        changes: &mut Changes,
    ) {
        let mut refuse = |error: &numbers::NumberError| {
            changes.refused.push(Refused { object: object.clone(), message: error.to_string() });
        };
        match Numbers::parse_name(&object.key.name) {
            Err(error) => refuse(&error),
            Ok(number) => {
                let who = numbers::who(number, spec).inspect_err(|error| refuse(error)).ok();
                let changed = self.numbers.set(number, who);
                self.dirty.numbers.extend(changed);
                self.dirty.owners = true;
            }
        }
    }
}

/// The name by which the resolver knows a policy's object.
fn rule_id(key: &PolicyKey) -> RuleId {
    RuleId::new(key.to_string())
}

fn object_key(key: &PolicyKey) -> ObjectKey {
    ObjectKey { namespace: key.namespace.clone(), name: key.name.clone() }
}

/// An object that cannot be read is left out and named.
fn read<T>(object: &ObjectRef, given: Result<Option<T>, ObjectError>, changes: &mut Changes) -> Option<T> {
    given.unwrap_or_else(|error| {
        changes.refused.push(Refused { object: object.clone(), message: error.to_string() });
        None
    })
}
