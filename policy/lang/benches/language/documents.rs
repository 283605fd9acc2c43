//! The documents that are read: the same for the same sizes, on every machine.
//!
//! Two workloads share their labels, fifty namespaces share the workloads. Of twenty policies, seven name endpoints,
//! four HTTP requests, three prefixes with a part left out, one an entity inside and one one outside, one a
//! service, two are `NetworkPolicy`, and one is clusterwide.

use std::fmt::Write as _;

use postern_policy_lang::source::SourceFile;

/// How many namespaces there are.
const NAMESPACES: usize = 50;
/// How many nodes.
const NODES: usize = 20;

/// The inventory and the policies, one file a namespace.
pub(crate) struct Documents {
    pub(crate) inventory: SourceFile,
    pub(crate) policies: Vec<SourceFile>,
}

/// As many as that.
pub(crate) fn documents(policies: usize, workloads: usize) -> Documents {
    let apps = (workloads / 2 / NAMESPACES).max(1);
    let of_namespace = |namespace: usize| {
        let count = (policies + namespace) / NAMESPACES;
        let text = (0..count).map(|index| policy(namespace, index, apps)).collect();
        SourceFile { name: format!("policies/{}.yaml", space(namespace)), text }
    };
    Documents {
        inventory: SourceFile { name: "inventory.yaml".to_owned(), text: inventory(workloads, apps) },
        policies: (0..NAMESPACES).map(of_namespace).collect(),
    }
}

/// One more workload, whose labels are those of others or its own.
pub(crate) fn one_more(index: usize, fresh: bool) -> String {
    let app = if fresh { format!("new-{index}") } else { "app-0".to_owned() };
    let address = format!("10.200.{}.{}", index / 250, index % 250 + 1);
    workload(&format!("more-{index}"), &space(index % NAMESPACES), &app, index, &address)
}

/// Another version of a policy.
pub(crate) fn changed(index: usize) -> String {
    endpoints(&space(index % NAMESPACES), &format!("p0-{}", index + 1), "app-0", "app-1", 9000)
}

fn space(namespace: usize) -> String {
    format!("team-{:02}", namespace % NAMESPACES)
}

fn inventory(workloads: usize, apps: usize) -> String {
    let mut text = String::new();
    for namespace in 0..NAMESPACES {
        let name = space(namespace);
        let stage = ["test", "live"].get(namespace % 2).copied().unwrap_or_default();
        let _ = write!(text, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{stage: {stage}}}}}\n");
        for app in 0..apps {
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: app-{app}, namespace: {name}}}\nspec: {{clusterIP: 10.96.{namespace}.{app}, selector: {{app: app-{app}}}}}\n"
            );
        }
    }
    for node in 0..NODES {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{node}}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.0.{}}}]}}\n",
            node + 1
        );
    }
    for index in 0..workloads {
        let (namespace, app) = (index % NAMESPACES, index / NAMESPACES % apps);
        let address = format!("10.{}.{}.{}", index / 62_500, index / 250 % 250, index % 250 + 1);
        text += &workload(&format!("w-{index}"), &space(namespace), &format!("app-{app}"), index, &address);
    }
    text
}

fn workload(name: &str, namespace: &str, app: &str, index: usize, address: &str) -> String {
    let (tier, node) = (tier(index / NAMESPACES), index % NODES);
    format!(
        "---\napiVersion: postern.dev/v1alpha1\nkind: Workload\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels: {{app: {app}, tier: {tier}}}\nspec: {{addresses: [{address}], node: node-{node}, serviceAccount: {app}}}\n"
    )
}

fn tier(app: usize) -> &'static str {
    ["front", "back", "data"].get(app % 3).copied().unwrap_or_default()
}

fn policy(namespace: usize, index: usize, apps: usize) -> String {
    let (kind, spaces) = (index % 20, space(namespace));
    // A generator of numbers that differ from policy to policy, and from run to run not at all.
    let odd = (namespace * 7919 + index * 104_729) % 65_521;
    let (own, other) = (format!("app-{}", index % apps), format!("app-{}", odd % apps));
    let name = format!("p{kind}-{}", index + 1);
    match kind {
        0..7 => endpoints(&spaces, &name, &own, &other, 8000 + odd % 90),
        7..11 => http(&spaces, &name, &own, &other, odd),
        11..14 => format!(
            "{}  egress:\n  - toCIDRSet:\n    - cidr: 172.{}.{}.0/24\n      except: [172.{}.{}.{}/32]\n    toPorts:\n    - ports: [{{port: \"443\", protocol: TCP}}]\n",
            head(&spaces, &name, &own),
            16 + odd % 8,
            odd % 199,
            16 + odd % 8,
            odd % 199,
            odd % 251
        ),
        14 => format!("{}  ingress:\n  - fromEntities: [cluster]\n    toPorts:\n    - ports: [{{port: \"9090\", protocol: TCP}}]\n", head(&spaces, &name, &own)),
        15 => format!("{}  egress:\n  - toEntities: [world]\n    toPorts:\n    - ports: [{{port: \"443\", protocol: TCP}}]\n", head(&spaces, &name, &own)),
        16 => format!(
            "{}  egress:\n  - toServices:\n    - k8sService: {{serviceName: {other}, namespace: {}}}\n",
            head(&spaces, &name, &own),
            space(odd)
        ),
        17 | 18 => format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {spaces}}}\nspec:\n  podSelector:\n    matchLabels: {{app: {own}}}\n  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - podSelector:\n        matchLabels: {{app: {other}}}\n      namespaceSelector:\n        matchLabels: {{kubernetes.io/metadata.name: {}}}\n    ports:\n    - {{port: {}, protocol: TCP}}\n",
            space(odd),
            8000 + odd % 90
        ),
        _ => format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {{name: {name}-{namespace}}}\nspec:\n  endpointSelector:\n    matchLabels: {{app: {own}, tier: {}}}\n  ingress:\n  - fromEndpoints:\n    - matchLabels: {{tier: front, k8s:io.kubernetes.pod.namespace: {}}}\n    toPorts:\n    - ports: [{{port: \"53\", protocol: ANY}}]\n",
            tier(index),
            space(odd)
        ),
    }
}

fn head(namespace: &str, name: &str, app: &str) -> String {
    format!(
        "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  endpointSelector:\n    matchLabels: {{app: {app}}}\n"
    )
}

fn endpoints(namespace: &str, name: &str, own: &str, other: &str, port: usize) -> String {
    format!(
        "{}  ingress:\n  - fromEndpoints:\n    - matchLabels: {{app: {other}}}\n    - matchLabels: {{tier: front}}\n    toPorts:\n    - ports:\n      - {{port: \"{port}\", protocol: TCP}}\n",
        head(namespace, name, own)
    )
}

/// One to five requests; paths differ from policy to policy.
fn http(namespace: &str, name: &str, own: &str, other: &str, odd: usize) -> String {
    let mut text = format!(
        "{}  ingress:\n  - fromEndpoints:\n    - matchLabels: {{app: {other}}}\n    toPorts:\n    - ports: [{{port: \"80\", protocol: TCP}}]\n      rules:\n        http:\n",
        head(namespace, name, own)
    );
    for index in 0..=odd % 5 {
        let path = match index % 3 {
            0 => format!("/api/v1/{own}/{odd}"),
            1 => format!("/api/v1/{own}-{odd}/[0-9]+"),
            _ => format!("/static/{odd}/{index}/.*"),
        };
        let method = ["GET", "POST", "PUT"].get(index % 3).copied().unwrap_or_default();
        let _ = write!(text, "        - {{method: {method}, path: \"{path}\"}}\n");
    }
    text
}
