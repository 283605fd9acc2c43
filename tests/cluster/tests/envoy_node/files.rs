//! The files that agent and Envoy read: the policy, and the bootstrap that is offered to users, with files in place of a
//! controller.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::World;

const BOOTSTRAP: &str = include_str!("../../../../deploy/envoy/node.yaml");
/// Where the bootstrap says that a filter's configuration comes from the controller.
const FROM_CONTROLLER: &str = "{ads: {}, resource_api_version: V3}";
const PLUGINS: [(&str, &str); 2] = [
    ("postern.connection", "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm"),
    ("postern.http", "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"),
];

impl World {
    /// Writes what does not change: the filter's module and the bootstrap.
    pub(super) fn export(&self, postern: &Path) {
        let mut export = Command::new(postern);
        let output = export.args(["filter", "export", "-o"]).arg(self.file("postern.wasm")).output().unwrap();
        assert!(output.status.success());
        let mut text = BOOTSTRAP.to_owned();
        // No controller: neither its part at the top, nor its cluster, which is the last.
        let (before, rest) = text.split_once("dynamic_resources:\n").unwrap();
        let (_, after) = rest.split_once("static_resources:\n").unwrap();
        text = format!("{before}static_resources:\n{after}");
        text = text.split_once("  - name: controller\n").unwrap().0.to_owned();
        for (name, _) in PLUGINS {
            assert!(text.contains(FROM_CONTROLLER));
            let file = self.file(&format!("{name}.json"));
            let from_file =
                format!("{{path_config_source: {{path: {}}}, resource_api_version: V3}}", file.display());
            text = text.replacen(FROM_CONTROLLER, &from_file, 1);
        }
        fs::write(self.file("node.yaml"), text).unwrap();
    }

    /// Has app2 and app4 be allowed to read this path of app1 and `/client`, and nothing else.
    pub(crate) fn load(&self, path: &str) {
        let policy = serde_json::json!({
            "apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "rule1"},
            "spec": {"endpointSelector": {"matchLabels": {"id": "app1"}}, "ingress": [{
                "fromEndpoints": [{"matchLabels": {"id": "app2"}}],
                "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}], "rules": {"http": [
                    {"method": "GET", "path": path}, {"method": "GET", "path": "/client"},
                ]}}],
            }]},
        });
        let workload = |pod: &postern_tests_cluster::net::PodNet, name: &str, id: &str| {
            serde_json::json!({
                "apiVersion": "postern.dev/v1alpha1", "kind": "Workload",
                "metadata": {"name": name, "labels": {"id": id}}, "spec": {"addresses": pod.address().both()},
            })
            .to_string()
        };
        let inventory = [
            workload(&self.app1, "app1", "app1"),
            workload(&self.app2, "app2", "app2"),
            workload(&self.app3, "app3", "app3"),
            workload(&self.app4, "app4", "app2"),
        ];
        fs::write(self.file("policy.yaml"), policy.to_string()).unwrap();
        fs::write(self.file("inventory.yaml"), inventory.join("\n---\n")).unwrap();
        let mut compile = Command::new(postern_tests_harness::programs::postern().unwrap());
        compile.args(["bundle", "--direction", "both", "-p"]).arg(self.file("policy.yaml"));
        let output = compile.arg("-i").arg(self.file("inventory.yaml")).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let bundle = String::from_utf8(output.stdout).unwrap();
        self.replace("bundle.json", &bundle);
        for (name, wasm) in PLUGINS {
            self.replace(&format!("{name}.json"), &self.discovered(name, wasm, &bundle));
        }
    }

    /// Leaves the filters without a configuration.
    pub(crate) fn forget_filters(&self) {
        for (name, _) in PLUGINS {
            self.replace(&format!("{name}.json"), r#"{"resources": []}"#);
        }
    }

    /// What the controller would answer.
    fn discovered(&self, name: &str, wasm: &str, bundle: &str) -> String {
        serde_json::json!({"resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": name,
            "typed_config": {"@type": wasm, "config": {
                "name": name,
                "root_id": name,
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "postern",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": self.file("postern.wasm")}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": bundle,
                },
            }},
        }]})
        .to_string()
    }

    /// By renaming, which is what Envoy waits for, and so that nobody reads half of it.
    fn replace(&self, name: &str, text: &str) {
        fs::write(self.file("new"), text).unwrap();
        fs::rename(self.file("new"), self.file(name)).unwrap();
    }
}
