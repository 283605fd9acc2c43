//! What to type next.

use crate::folder::Facts;
use crate::run::RunId;

/// The text that `up` ends with.
pub(super) fn text(run: RunId, facts: &Facts) -> String {
    let kubeconfig = facts.kubeconfig.display();
    let kubectl = facts.kubectl.display();
    let nodes = facts.nodes.join(", ");
    let demo = format!(
        "
cluster {run} is up: {nodes}

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl}
  alias in-pod='cargo xtask cluster exec --run {run}'

The tutorial's service and its three apps:

  kubectl create -f deploy/tutorial/demo.yaml
  kubectl wait --for=condition=ready pod --all
  SVC_IP=$(kubectl get svc app1-service -o jsonpath={{.spec.clusterIP}})
  in-pod app2 -- curl -s http://$SVC_IP/public      # {{ 'val': 'this is public' }}
  in-pod app3 -- curl -s http://$SVC_IP/private     # {{ 'val': 'this is private' }}
"
    );
    let policy = if facts.daemons {
        "
Its policy, and what is left then:

  kubectl create -f deploy/tutorial/policy.yaml
  in-pod app2 -- curl -s http://$SVC_IP/public      # { 'val': 'this is public' }
  in-pod app2 -- curl -s http://$SVC_IP/private     # Access denied
  in-pod app3 -- curl -s -m 3 http://$SVC_IP/public # nothing: the packets are dropped
  kubectl delete -f deploy/tutorial/policy.yaml
"
    } else {
        "\nIt has neither controller nor agents (--bare): policies are not known to it.\n"
    };
    format!(
        "{demo}{policy}
  cargo xtask cluster status
  cargo xtask cluster down --run {run}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_cluster_is_not_promised_to_know_policies() {
        let facts = |daemons| Facts {
            kubeconfig: "/k".into(),
            kubectl: "/bin/kubectl".into(),
            nodes: vec!["node1".to_owned()],
            daemons,
        };
        let run = "00ff".parse().unwrap();
        assert!(text(run, &facts(true)).contains("policy.yaml"));
        assert!(!text(run, &facts(false)).contains("policy.yaml"));
    }
}
