//! What the index publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postern_xds::server::Source;
use postern_xds::snapshot::NodeSnapshot;
use tokio::sync::watch;

use crate::event::PolicyKey;
use crate::numbers::IdentityRequest;
use crate::status::PolicyStatus;

/// The readers' end of everything that an index publishes. Clones read the same.
#[derive(Debug, Clone)]
pub struct Outputs {
    nodes: Arc<Mutex<Nodes>>,
    /// What is known of each policy.
    pub statuses: watch::Receiver<Arc<BTreeMap<PolicyKey, PolicyStatus>>>,
    /// The numbers that the leader shall create objects for.
    pub identity_requests: watch::Receiver<Arc<Vec<IdentityRequest>>>,
    /// The numbers that nobody uses: the leader may delete those that stay here for long.
    pub unused_identities: watch::Receiver<Arc<BTreeSet<u32>>>,
    /// How much there is of everything; all 0 before the first lists are complete.
    pub sizes: watch::Receiver<Sizes>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Pods with an address.
    pub pods: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Nodes.
    pub nodes: usize,
    /// Services with an address.
    pub services: usize,
    /// Policies.
    pub policies: usize,
    /// Policies that cannot be read.
    pub invalid_policies: usize,
    /// Identities with a number.
    pub identities: usize,
    /// Prefixes outside the cluster that have a number.
    pub prefixes: usize,
    /// Identities that wait for one.
    pub waiting_identities: usize,
    /// Endpoints on all nodes.
    pub endpoints: usize,
    /// Addresses that more than one owner claims.
    pub contested_addresses: usize,
    /// The last revision that was published.
    pub revision: u64,
}

type Nodes = BTreeMap<String, watch::Sender<Arc<NodeSnapshot>>>;

impl Source for Outputs {
    fn watch(&self, node: &str) -> watch::Receiver<Arc<NodeSnapshot>> {
        // A node that is not known yet waits for its first snapshot.
        self.nodes().entry(node.to_owned()).or_insert_with(|| watch::Sender::new(Arc::default())).subscribe()
    }
}

impl Outputs {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        // Whoever panicked held a map of senders, which is whole at every moment.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Publisher {
    outputs: Outputs,
    pub(crate) statuses: watch::Sender<Arc<BTreeMap<PolicyKey, PolicyStatus>>>,
    pub(crate) identity_requests: watch::Sender<Arc<Vec<IdentityRequest>>>,
    pub(crate) unused_identities: watch::Sender<Arc<BTreeSet<u32>>>,
    pub(crate) sizes: watch::Sender<Sizes>,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        let (statuses, statuses_out) = watch::channel(Arc::default());
        let (identity_requests, identity_requests_out) = watch::channel(Arc::default());
        let (unused_identities, unused_out) = watch::channel(Arc::default());
        let (sizes, sizes_out) = watch::channel(Sizes::default());
        let outputs = Outputs {
            nodes: Arc::default(),
            statuses: statuses_out,
            identity_requests: identity_requests_out,
            unused_identities: unused_out,
            sizes: sizes_out,
        };
        Self { outputs, statuses, identity_requests, unused_identities, sizes }
    }

    pub(crate) fn outputs(&self) -> Outputs {
        self.outputs.clone()
    }

    pub(crate) fn snapshot(&self, node: &str, snapshot: Arc<NodeSnapshot>) {
        let mut nodes = self.outputs.nodes();
        nodes
            .entry(node.to_owned())
            .or_insert_with(|| watch::Sender::new(Arc::default()))
            .send_replace(snapshot);
    }

    /// Forgets a node that is gone. Whoever still follows it keeps what it has.
    pub(crate) fn forget(&self, node: &str) {
        let mut nodes = self.outputs.nodes();
        if nodes.get(node).is_some_and(|sender| sender.receiver_count() == 0) {
            nodes.remove(node);
        } else if let Some(sender) = nodes.get(node) {
            sender.send_replace(Arc::default());
        }
    }
}

/// Publishes a value if it is another than the last.
pub(crate) fn publish<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|last| {
        let changed = *last != value;
        *last = value;
        changed
    });
}
