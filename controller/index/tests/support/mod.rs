//! A cluster of typed objects: what is seen goes in, what is published is held against connections and requests.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` at the call reads better without `&`")]

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_controller_api::identity::PosternIdentity;
use postern_controller_index::{
    Change, Changes, Config, Event, IdentityRequest, Index, Kind, ObjectKey, Outputs, PolicyChange,
    PolicyKey, PolicyKind, PolicyObject, PolicyStatus,
};
use postern_policy_core::decide::Verdict;
use postern_policy_core::http::Request;
use postern_policy_core::policy::Direction;
use postern_policy_core::set::{Connection, PolicySet};
use postern_policy_wire::decode_bundle;
use postern_xds::server::Source as _;
use postern_xds::snapshot::NodeSnapshot;
use serde_json::{Value, json};

pub(crate) struct Cluster {
    pub(crate) index: Index,
    pub(crate) outputs: Outputs,
    generation: i64,
}

pub(crate) fn pod(name: &str, labels: Value, node: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "labels": labels, "uid": format!("uid-{name}")},
        "spec": {"nodeName": node, "serviceAccountName": "default",
                 "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
                   "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

pub(crate) fn pod_event(value: Value) -> Event {
    Event::Pod(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

pub(crate) fn node_event(name: &str, ip: &str) -> Event {
    let value = json!({"metadata": {"name": name}, "status": {"addresses": [
        {"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}]}});
    Event::Node(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

pub(crate) fn namespace_event(name: &str, labels: Value) -> Event {
    let value = json!({"metadata": {"name": name, "labels": labels}});
    Event::Namespace(Change::Applied(Box::new(serde_json::from_value(value).unwrap())))
}

pub(crate) fn identity_event(identity: PosternIdentity) -> Event {
    Event::Identity(Change::Applied(Box::new(identity)))
}

/// The key of a `CiliumNetworkPolicy` in `default`.
pub(crate) fn cnp(name: &str) -> PolicyKey {
    PolicyKey { kind: PolicyKind::Cnp, namespace: "default".to_owned(), name: name.to_owned() }
}

/// A `cilium.io/v2` policy with this spec.
pub(crate) fn cnp_text(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
           "metadata": {"name": name, "namespace": "default"}, "spec": spec})
    .to_string()
}

pub(crate) fn tutorial() -> Value {
    json!({"endpointSelector": {"matchLabels": {"id": "app1"}},
           "ingress": [{"fromEndpoints": [{"matchLabels": {"id": "app2"}}],
                        "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}],
                                     "rules": {"http": [{"method": "GET", "path": "/public"}]}}]}]})
}

impl Cluster {
    /// Nothing listed yet.
    pub(crate) fn unsynced() -> Self {
        let index = Index::new(Config::default());
        Self { outputs: index.outputs(), index, generation: 0 }
    }

    /// Two nodes; app1 and app2 on the first, app3 on the second; numbers for all.
    pub(crate) fn tutorial() -> Self {
        let mut cluster = Self::unsynced();
        let _ = cluster.index.apply(three_pods());
        cluster.sync();
        cluster.number();
        cluster
    }

    pub(crate) fn apply(&mut self, events: impl IntoIterator<Item = Event>) -> Changes {
        let changes = self.index.apply(events);
        assert!(changes.failed.is_empty());
        changes
    }

    pub(crate) fn sync(&mut self) {
        let _ = self.apply(Kind::ALL.map(Event::Synced));
    }

    /// Does what the leader does: creates the objects that are asked for, and they come back.
    pub(crate) fn number(&mut self) -> Vec<PosternIdentity> {
        let requests = self.outputs.identity_requests.borrow().clone();
        let objects: Vec<PosternIdentity> = requests.iter().map(IdentityRequest::object).collect();
        let _ = self.apply(objects.iter().cloned().map(identity_event));
        objects
    }

    pub(crate) fn policy(&mut self, name: &str, spec: &Value) -> Changes {
        self.policy_text(cnp(name), cnp_text(name, spec))
    }

    pub(crate) fn policy_text(&mut self, key: PolicyKey, text: String) -> Changes {
        self.generation += 1;
        let object = PolicyObject { key, uid: "u".to_owned(), generation: self.generation, text };
        self.apply([Event::Policy(PolicyChange::Applied(Box::new(object)))])
    }

    pub(crate) fn delete_policy(&mut self, name: &str) {
        let _ = self.apply([Event::Policy(PolicyChange::Deleted(cnp(name)))]);
    }

    pub(crate) fn delete_pod(&mut self, name: &str) {
        let _ = self.apply([Event::Pod(Change::Deleted(ObjectKey::namespaced("default", name)))]);
    }

    pub(crate) fn snapshot(&self, node: &str) -> Arc<NodeSnapshot> {
        let receiver = self.outputs.watch(node);
        let snapshot = receiver.borrow();
        Arc::clone(&snapshot)
    }

    pub(crate) fn statuses(&self) -> Arc<BTreeMap<PolicyKey, PolicyStatus>> {
        Arc::clone(&self.outputs.statuses.borrow())
    }

    pub(crate) fn status(&self, name: &str) -> PolicyStatus {
        self.statuses().get(&cnp(name)).cloned().unwrap()
    }

    pub(crate) fn enforced(&self, name: &str) -> (usize, usize) {
        let status = self.status(name);
        (status.enforced, status.selected)
    }

    /// What the ingress policy of `to`, as its node has it, says of a GET of `path` from `from`.
    pub(crate) fn get(&self, node: &str, from: &str, to: &str, path: &str) -> &'static str {
        let (set, quarantined) = decode_bundle(self.snapshot(node).bundle()).unwrap();
        assert!(quarantined.is_empty());
        ask(&set, from, to, path)
    }

    /// The number that a node gives to an address.
    pub(crate) fn number_of(&self, node: &str, address: &str) -> u32 {
        let (set, _) = decode_bundle(self.snapshot(node).bundle()).unwrap();
        set.identity(address.parse().unwrap()).0
    }
}

fn ask(set: &PolicySet, from: &str, to: &str, path: &str) -> &'static str {
    let connection = Connection {
        source: format!("{from}:40000").parse().unwrap(),
        destination: format!("{to}:80").parse().unwrap(),
        direction: Direction::Ingress,
    };
    match set.connection(&connection).decision.verdict {
        Verdict::Deny => return "drop",
        Verdict::Allow => return "allow",
        Verdict::Redirect => {}
    }
    let request =
        Request { method: Some(b"GET"), path: Some(path.as_bytes()), authority: Some(b"a"), headers: vec![] };
    match set.request(&connection, &request).decision.verdict {
        Verdict::Deny => "403",
        Verdict::Allow | Verdict::Redirect => "200",
    }
}

pub(crate) fn three_pods() -> Vec<Event> {
    vec![
        namespace_event("default", json!({"kubernetes.io/metadata.name": "default"})),
        node_event("one", "192.0.2.1"),
        node_event("two", "192.0.2.2"),
        pod_event(pod("app1", json!({"id": "app1"}), "one", "10.0.1.1")),
        pod_event(pod("app2", json!({"id": "app2"}), "one", "10.0.1.2")),
        pod_event(pod("app3", json!({"id": "app3"}), "two", "10.0.2.3")),
    ]
}
