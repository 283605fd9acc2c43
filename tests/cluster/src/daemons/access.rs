//! What a node needs to be believed by the controller: the controller's authority, and a token of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use postern_tests_harness::apiserver::ApiServer;
use postern_tests_harness::eventually;
use serde_json::{Value, json};

use super::NAMESPACE;

/// The account of every node's daemons; which node it is, the pod says that the token is bound to.
const NODE_ACCOUNT: &str = "postern-node";
const AUTHORITY: &str = "postern-ca";
const AUDIENCE: &str = "postern";
/// A box is not meant to live longer. Nothing renews the token.
const TOKEN_SECONDS: u32 = 7 * 24 * 3600;

/// Makes the namespace, and the accounts that the daemons have.
pub(crate) fn prepare(server: &ApiServer, accounts: &[&str]) -> Result<()> {
    let mut items = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})];
    items.extend([NODE_ACCOUNT].iter().chain(accounts).map(|name| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}})
    }));
    server.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}

/// Waits for the authority that the controller publishes, and writes it to a file.
pub(crate) fn authority(server: &ApiServer, file: &Path, deadline: Duration) -> Result<()> {
    let pem = eventually(deadline, || {
        let text = server.kubectl_ok(&["get", "configmap", AUTHORITY, "-n", NAMESPACE, "-o", "json"], "")?;
        let map: Value = serde_json::from_str(&text).context("cannot read a ConfigMap")?;
        let data = map.get("data").and_then(Value::as_object);
        let value = data.and_then(|data| data.get("ca.crt").or_else(|| data.values().next()));
        let pem = value.and_then(Value::as_str).map(ToOwned::to_owned);
        pem.with_context(|| format!("ConfigMap {NAMESPACE}/{AUTHORITY} has no certificate yet"))
    });
    let pem = pem.context("the controller has not published its authority")?;
    fs::write(file, pem).with_context(|| format!("cannot write {}", file.display()))
}

/// Makes the pod that stands for a node's daemons, and a token that is bound to it.
pub(crate) fn node_token(server: &ApiServer, node: &str, file: &Path) -> Result<()> {
    let name = format!("postern-node-{node}");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": NODE_ACCOUNT}},
        "spec": {
            "nodeName": node, "hostNetwork": true, "serviceAccountName": NODE_ACCOUNT,
            "containers": [{"name": "node", "image": "postern.dev/node"}],
        },
    });
    server.apply(&pod.to_string())?;
    let uid =
        server.kubectl_ok(&["get", "pod", &name, "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}"], "")?;
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    let token = token(server, NODE_ACCOUNT, &json!([AUDIENCE]), &bound)?;
    write_secret(file, &token)
}

/// A kubeconfig by which a program is the service account of this name.
pub(crate) fn account_kubeconfig(server: &ApiServer, account: &str, file: &Path) -> Result<PathBuf> {
    let token = token(server, account, &Value::Null, &Value::Null)?;
    let authority = file.with_extension("ca");
    fs::write(&authority, server.ca_pem()).context("cannot write the API server's authority")?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "box",
        "contexts": [{"name": "box", "context": {"cluster": "box", "user": account}}],
        "clusters": [{"name": "box", "cluster": {"server": server.url(), "certificate-authority": authority}}],
        "users": [{"name": account, "user": {"token": token}}],
    });
    write_secret(file, &config.to_string())?;
    Ok(file.to_owned())
}

fn token(server: &ApiServer, account: &str, audiences: &Value, bound: &Value) -> Result<String> {
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": audiences, "expirationSeconds": TOKEN_SECONDS, "boundObjectRef": bound},
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let answer = server.kubectl_ok(&["create", "--raw", &path, "-f", "-"], &request.to_string())?;
    let answer: Value = serde_json::from_str(&answer).context("cannot read the answer to a TokenRequest")?;
    let token = answer.pointer("/status/token").and_then(Value::as_str);
    Ok(token.context("the answer to a TokenRequest has no token")?.to_owned())
}

fn write_secret(file: &Path, text: &str) -> Result<()> {
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}
