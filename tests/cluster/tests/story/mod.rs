//! The tutorial's world, and clients that ask on and on.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use postern_tests_cluster::{Cluster, Engine, Options};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const DEMO: &str = include_str!("../../../../deploy/tutorial/demo.yaml");
pub(crate) const POLICY: &str = include_str!("../../../../deploy/tutorial/policy.yaml");
pub(crate) const POLICY_V2: &str = include_str!("../../../../deploy/tutorial/policy-v2.yaml");
pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const PUBLIC: &str = "{ 'val': 'this is public' }\n";
pub(crate) const PRIVATE: &str = "{ 'val': 'this is private' }\n";

/// A cluster in which the three apps run, and each client on both nodes.
pub(crate) struct Story {
    pub(crate) cluster: Cluster,
    /// The service's own address.
    pub(crate) service: String,
    /// The node that app1 is on, as a number from 1.
    pub(crate) home: usize,
}

/// The clients: beside app1 and on the other node.
pub(crate) const APP2: [&str; 2] = ["app2-here", "app2-there"];
pub(crate) const APP3: [&str; 2] = ["app3-here", "app3-there"];

impl Story {
    pub(crate) fn begin(engine: Engine) -> Self {
        let cluster = Cluster::start(&Options { engine, ..Options::new(PROGRAM) }).unwrap();
        let created = cluster.create(DEMO).unwrap();
        assert!(created.contains("deployment.apps/app1 created"), "{created}");
        cluster.wait_for_pods("id=app1", 1, SOON).unwrap();
        let field = |what: &[&str], path: &str| {
            let path = format!("jsonpath={path}");
            cluster.kubectl(&[&["get"], what, &["-o", &path]].concat()).unwrap()
        };
        let here = field(&["pods", "-l", "id=app1"], "{.items[0].spec.nodeName}");
        let nodes = field(&["nodes"], "{.items[*].metadata.name}");
        let there = nodes.split_whitespace().find(|node| *node != here).unwrap().to_owned();
        for (clients, app) in [(APP2, "app2"), (APP3, "app3")] {
            for (client, node) in clients.into_iter().zip([&here, &there]) {
                cluster.apply(&client_pod(client, app, node)).unwrap();
            }
            cluster.wait_for_pods(&format!("id={app}"), 3, SOON).unwrap();
        }
        let service = field(&["service", "app1-service"], "{.spec.clusterIP}");
        let home = nodes.split_whitespace().position(|node| node == here).unwrap() + 1;
        Self { cluster, service, home }
    }

    /// What a client gets: the status and the body, or `None` where no answer comes.
    pub(crate) fn get(&self, pod: &str, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{}{path}", self.service);
        let output =
            self.cluster.exec(pod, &["curl", "-s", "-m", "3", "-w", "\n%{http_code}", &url]).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        match status {
            "000" => None,
            status => Some((status.parse().unwrap(), body.to_owned())),
        }
    }

    /// Waits until every client is answered as the tutorial says.
    pub(crate) fn is_guarded(&self) {
        self.wait(|story| {
            for pod in APP2 {
                story.expect(pod, "/public", Some((200, PUBLIC)))?;
                story.expect(pod, "/private", Some((403, "Access denied\r\n")))?;
            }
            APP3.iter().try_for_each(|pod| story.expect(pod, "/public", None))
        });
    }

    /// Waits until everybody may do everything.
    pub(crate) fn is_open(&self) {
        self.wait(|story| {
            APP2.iter().chain(&APP3).try_for_each(|pod| {
                story.expect(pod, "/public", Some((200, PUBLIC)))?;
                story.expect(pod, "/private", Some((200, PRIVATE)))
            })
        });
    }

    fn expect(&self, pod: &str, path: &str, wanted: Option<(u16, &str)>) -> Result<()> {
        let got = self.get(pod, path);
        let got = got.as_ref().map(|(status, body)| (*status, body.as_str()));
        ensure!(got == wanted, "{pod} GET {path}: wanted {wanted:?}, got {got:?}");
        Ok(())
    }

    fn wait(&self, attempt: impl Fn(&Self) -> Result<()>) {
        self.cluster.wait_for(SOON, |_| attempt(self)).unwrap();
    }

    /// Waits until the policy says that it is valid and in force everywhere.
    pub(crate) fn is_enforced(&self, policy: &str) {
        let wanted = |kind: &str, text: &str| {
            let conditions = self.cluster.policy_conditions(policy)?;
            let Some(condition) = conditions.iter().find(|condition| condition.kind == kind) else {
                bail!("no condition {kind} in {conditions:?}");
            };
            ensure!(condition.status == "True" && condition.message.contains(text), "{condition:?}");
            Ok(())
        };
        self.wait(|_| wanted("Valid", "").and_then(|()| wanted("Enforced", "1/1")));
    }

    /// Waits until the node of app1 has reported that it dropped what this client sent.
    pub(crate) fn reports_drop_of(&mut self, client: &str) {
        let address =
            self.cluster.kubectl(&["get", "pod", client, "-o", "jsonpath={.status.podIP}"]).unwrap();
        let home = self.home;
        let node = self.cluster.node(home).unwrap();
        postern_tests_harness::eventually(SOON, || {
            let flows = node.flows()?;
            let dropped = |flow: &&Value| {
                flow["verdict"] == "dropped"
                    && flow["reason"] == "policy-denied"
                    && flow["direction"] == "ingress"
                    && flow["source"]
                        .as_str()
                        .is_some_and(|source| source.starts_with(&format!("{address}:")))
                    && flow["endpoint"].as_str().is_some_and(|name| name.starts_with("default/app1-"))
            };
            flows
                .iter()
                .find(dropped)
                .map(drop)
                .with_context(|| format!("no such flow among {}", flows.len()))
        })
        .unwrap();
    }

    /// Asks on and on, until the value is asked what came of it.
    pub(crate) fn stream(&self, pod: &str, path: &str, patience: &str) -> Stream {
        let log = self.cluster.folder().join(format!("stream-{pod}{}", path.replace('/', "-")));
        let url = format!("http://{}{path}", self.service);
        // Each answer is a line; the pause keeps the machine free for those who are asked.
        let script = format!(
            "while :; do curl -s -o /dev/null -m {patience} -w '%{{http_code}}\\n' {url}; sleep 0.02; done"
        );
        let out = fs::File::create(&log).unwrap();
        let mut command = self.cluster.command(pod, "sh").unwrap();
        let child = command.args(["-c", &script]).stdout(out).stderr(Stdio::null()).spawn().unwrap();
        Stream { child, log }
    }
}

/// A client that asks without end.
pub(crate) struct Stream {
    child: Child,
    log: PathBuf,
}

impl Stream {
    /// Waits until so many more answers have come.
    pub(crate) fn goes_on(&self, more: usize) {
        let already = self.answers().len();
        postern_tests_harness::eventually(SOON, || {
            let now = self.answers().len();
            ensure!(now >= already + more, "{} of {more} answers", now - already);
            Ok(())
        })
        .unwrap();
    }

    fn answers(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(ToOwned::to_owned).collect()
    }

    /// Ends it and gives every answer.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.stop();
        self.answers()
    }

    fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}

fn client_pod(name: &str, app: &str, node: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "labels": {{"id": "{app}"}}}},
            "spec": {{"nodeName": "{node}", "containers": [{{"name": "main", "image": "postern.dev/client"}}]}}}}"#
    )
}
