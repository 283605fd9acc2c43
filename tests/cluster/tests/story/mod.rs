//! The tutorial's world.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use postern_tests_cluster::{Cluster, Engine, Options};

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");
const DEMO: &str = include_str!("../../../../deploy/tutorial/demo.yaml");
pub(crate) const POLICY: &str = include_str!("../../../../deploy/tutorial/policy.yaml");
pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const PUBLIC: &str = "{ 'val': 'this is public' }\n";
pub(crate) const PRIVATE: &str = "{ 'val': 'this is private' }\n";

/// A cluster in which the three apps run, and each client on both nodes.
pub(crate) struct Story {
    pub(crate) cluster: Cluster,
    /// The service's own address.
    pub(crate) service: String,
}

/// The names of what is listed.
pub(crate) const NAMES: &str = "{.items[*].metadata.name}";
/// The clients: beside app1 and on the other node.
pub(crate) const APP2: [&str; 2] = ["app2-here", "app2-there"];
pub(crate) const APP3: [&str; 2] = ["app3-here", "app3-there"];

impl Story {
    pub(crate) fn begin(engine: Engine) -> Self {
        let cluster = Cluster::start(&Options { engine, ..Options::new(PROGRAM) }).unwrap();
        let created = cluster.create(DEMO).unwrap();
        assert!(created.contains("deployment.apps/app1 created"), "{created}");
        cluster.wait_for_pods("id=app1", 1, SOON).unwrap();
        let here = home(&cluster);
        let nodes = field(&cluster, &["nodes"], NAMES);
        let there = nodes.split_whitespace().find(|node| *node != here).unwrap().to_owned();
        for (clients, app) in [(APP2, "app2"), (APP3, "app3")] {
            for (client, node) in clients.into_iter().zip([&here, &there]) {
                cluster.apply(&client_pod(client, app, node)).unwrap();
            }
            cluster.wait_for_pods(&format!("id={app}"), 3, SOON).unwrap();
        }
        let service = field(&cluster, &["service", "app1-service"], "{.spec.clusterIP}");
        Self { cluster, service }
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
}

/// The node that app1 is on.
pub(crate) fn home(cluster: &Cluster) -> String {
    field(cluster, &["pods", "-l", "id=app1"], "{.items[0].spec.nodeName}")
}

/// What kubectl gets of something.
pub(crate) fn field(cluster: &Cluster, what: &[&str], path: &str) -> String {
    let path = format!("jsonpath={path}");
    cluster.kubectl(&[&["get"], what, &["-o", &path]].concat()).unwrap()
}

fn client_pod(name: &str, app: &str, node: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "labels": {{"id": "{app}"}}}},
            "spec": {{"nodeName": "{node}", "containers": [{{"name": "main", "image": "postern.dev/client"}}]}}}}"#
    )
}
