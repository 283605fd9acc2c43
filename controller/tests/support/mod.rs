//! A cluster without nodes: a real API server, controllers as processes, xDS clients in place of node agents.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod client;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use postern_tests_harness::ports::Reserved;
use postern_tests_harness::raw::{RawClient, RawOutcome, Request};
use postern_tests_harness::{ApiServer, Process, eventually, programs};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use client::{Answer, Follower};

pub(crate) const NAMESPACE: &str = "postern-system";
pub(crate) const SOON: Duration = Duration::from_secs(60);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

pub(crate) struct Cluster {
    pub server: ApiServer,
    pub dir: TempDir,
    kubeconfig: PathBuf,
}

impl Cluster {
    /// An API server with everything of `deploy/kubernetes`, two nodes, and the tutorial's pods on them.
    pub(crate) fn start() -> Result<Self> {
        let server = ApiServer::start()?;
        let base = project("deploy/kubernetes");
        server.kubectl_ok(&["apply", "-k", &base.to_string_lossy()], "")?;
        for crd in ["ciliumnetworkpolicies.cilium.io", "posternidentities.identities.postern.dev"] {
            server.kubectl_ok(&["wait", "--for=condition=established", &format!("crd/{crd}")], "")?;
        }
        let dir = tempfile::tempdir()?;
        let kubeconfig = dir.path().join("controller.kubeconfig");
        let cluster = Self { server, dir, kubeconfig };
        // As its own account and with the shipped roles: an administrator would hide what they lack.
        let token = cluster.token("postern-controller", &json!({ "expirationSeconds": 3600 }))?;
        let ca = cluster.dir.path().join("ca.crt");
        fs::write(&ca, cluster.server.ca_pem())?;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
            "clusters": [{ "name": "c", "cluster": { "server": cluster.server.url(), "certificate-authority": ca } }],
            "users": [{ "name": "c", "user": { "token": token } }],
        });
        fs::write(&cluster.kubeconfig, config.to_string())?;
        for (node, address) in [("n1", "192.0.2.1"), ("n2", "192.0.2.2")] {
            cluster.node(node, address)?;
        }
        for (name, node, address) in
            [("app1", "n1", "10.0.1.1"), ("app2", "n2", "10.0.2.2"), ("app3", "n2", "10.0.2.3")]
        {
            cluster.pod("default", name, node, address, "default")?;
        }
        Ok(cluster)
    }

    pub(crate) fn node(&self, name: &str, address: &str) -> Result<()> {
        self.server.apply(
            &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } }).to_string(),
        )?;
        self.status(
            &format!("/api/v1/nodes/{name}"),
            &json!({ "addresses": [{ "type": "InternalIP", "address": address }] }),
        )
    }

    pub(crate) fn pod(
        &self,
        namespace: &str,
        name: &str,
        node: &str,
        address: &str,
        account: &str,
    ) -> Result<String> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": namespace, "labels": { "id": name } },
            "spec": {
                "nodeName": node, "serviceAccountName": account,
                "containers": [{ "name": "c", "image": "none" }],
            },
        });
        self.server.apply(&pod.to_string())?;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        if !address.is_empty() {
            let ready = json!([{ "type": "Ready", "status": "True" }]);
            let status = json!({
                "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }], "conditions": ready,
            });
            self.status(&path, &status)?;
        }
        Ok(text(&self.get(&path)?, "/metadata/uid"))
    }

    fn status(&self, path: &str, status: &Value) -> Result<()> {
        let mut object = self.get(path)?;
        object["status"] = status.clone();
        let path = format!("{path}/status");
        self.server.kubectl_ok(&["replace", "--raw", &path, "-f", "-"], &object.to_string()).map(drop)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.server.kubectl_ok(&["get", "--raw", path], "")?)?)
    }

    fn token(&self, account: &str, spec: &Value) -> Result<String> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
        let mut spec = spec.clone();
        spec.as_object_mut().context("an object")?.entry("audiences").or_insert(json!([]));
        let request =
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
        let made = self.server.kubectl_ok(&["create", "--raw", &path, "-f", "-"], &request.to_string())?;
        Ok(text(&serde_json::from_str(&made)?, "/status/token"))
    }

    /// A file with the token that a pod of this account has on a node.
    pub(crate) fn node_token(&self, node: &str, account: &str, audience: &str) -> Result<PathBuf> {
        let name = format!("{account}-{node}-{audience}");
        let uid = self.pod(NAMESPACE, &name, node, "", account)?;
        let bound = json!({ "kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid });
        let spec = json!({ "audiences": [audience], "boundObjectRef": bound, "expirationSeconds": 3600 });
        let path = self.dir.path().join(name);
        fs::write(&path, self.token(account, &spec)?)?;
        Ok(path)
    }

    /// The CA that nodes are told of.
    pub(crate) fn ca(&self) -> Result<PathBuf> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/postern-ca");
        let map = eventually(SOON, || self.get(&path))?;
        let file = self.dir.path().join("postern-ca.crt");
        fs::write(&file, text(&map, "/data/ca.crt"))?;
        Ok(file)
    }

    pub(crate) fn controller(&self, name: &str) -> Result<Running> {
        let [xds, webhook, admin] = [Reserved::on(LOCAL)?, Reserved::on(LOCAL)?, Reserved::on(LOCAL)?];
        let mut command = Command::new(programs::postern()?);
        command.arg("controller").arg("--kubeconfig").arg(&self.kubeconfig).args([
            "--namespace",
            NAMESPACE,
            "--identity",
            name,
            "--xds",
            &xds.addr().to_string(),
            "--webhook",
            &webhook.addr().to_string(),
            "--webhook-url",
            &format!("https://{}", webhook.addr()),
            "--admin",
            &admin.addr().to_string(),
            "--identity-grace",
            "2",
            "--log",
            "info,postern_controller=debug",
        ]);
        let process = Process::start(name, command)?;
        Ok(Running { process, xds: xds.addr(), admin: admin.addr(), _ports: [xds, webhook, admin] })
    }

    /// The condition of a policy: its status and message.
    pub(crate) fn condition(&self, policy: &str, type_: &str) -> Result<(String, String)> {
        let object =
            self.get(&format!("/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies/{policy}"))?;
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let found = conditions.into_iter().flatten().find(|it| it["type"] == type_);
        let found = found.with_context(|| format!("{policy} has no condition {type_}: {object}"))?;
        Ok((text(found, "/status"), text(found, "/message")))
    }

    pub(crate) fn expect_condition(
        &self,
        policy: &str,
        type_: &str,
        status: &str,
        message: &str,
    ) -> Result<()> {
        eventually(SOON, || {
            let found = self.condition(policy, type_)?;
            ensure!(found.0 == status && found.1.contains(message), "{type_} is {found:?}");
            Ok(())
        })
    }

    pub(crate) fn holder(&self) -> Result<String> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/postern-controller");
        Ok(text(&self.get(&path)?, "/spec/holderIdentity"))
    }

    /// Numbers by labels.
    pub(crate) fn identities(&self) -> Result<Vec<(String, String)>> {
        let list = self.get("/apis/identities.postern.dev/v1alpha1/posternidentities")?;
        let items = list["items"].as_array().context("a list")?;
        Ok(items.iter().map(|it| (text(it, "/metadata/name"), it["spec"].to_string())).collect())
    }
}

pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A controller that runs. Dropping it kills it.
pub(crate) struct Running {
    pub process: Process,
    pub xds: SocketAddr,
    pub admin: SocketAddr,
    _ports: [Reserved; 3],
}

impl Running {
    pub(crate) fn page(&self, path: &str) -> Result<(u16, String)> {
        let request = Request::new("GET", path).header("host", "admin").header("connection", "close");
        match RawClient::request(LOCAL, self.admin, &request.to_bytes(), Duration::from_secs(5)) {
            RawOutcome::Response { status, body, .. } => {
                Ok((status, String::from_utf8_lossy(&body).into_owned()))
            }
            other => anyhow::bail!("GET {path}: {other:?}"),
        }
    }

    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        let admin = self.admin;
        let ready = |_: &Process| {
            let request =
                Request::new("GET", "/readyz").header("host", "admin").header("connection", "close");
            match RawClient::request(LOCAL, admin, &request.to_bytes(), Duration::from_secs(5)) {
                RawOutcome::Response { status: 200, .. } => Ok(()),
                other => anyhow::bail!("/readyz: {other:?}"),
            }
        };
        self.process.wait_until(SOON, ready)
    }

    pub(crate) fn metric(&self, line: &str) -> Result<String> {
        let (_, body) = self.page("/metrics")?;
        let found = body.lines().find_map(|it| it.strip_prefix(line));
        Ok(found.with_context(|| format!("{line} is missing in\n{body}"))?.trim().to_owned())
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &id]).status()?;
        ensure!(status.success(), "cannot send SIG{name}");
        Ok(())
    }
}
