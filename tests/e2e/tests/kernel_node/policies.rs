//! The policies that more than one test speaks of.

/// What the tutorial's policy means.
pub(crate) const TUTORIAL: &str = include_str!("../../../../deploy/tutorial/policy-v2.yaml");

/// A policy for one pod, with this below `spec`.
pub(crate) fn policy(name: &str, subject: &str, spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  endpointSelector: {{matchLabels: {{id: {subject}}}}}\n  {spec}\n---\n"
    )
}

/// App1 may be asked by app2 for anything, on any port.
pub(crate) fn app2_to_app1() -> String {
    policy("plain", "app1", "ingress: [{fromEndpoints: [{matchLabels: {id: app2}}]}]")
}

/// Nobody may ask app1 for anything.
pub(crate) fn app1_closed() -> String {
    policy("closed", "app1", "ingress: [{}]")
}
