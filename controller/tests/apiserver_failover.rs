//! Controllers and the API server come and go; nodes keep what they have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use postern_tests_harness::eventually;
use support::{Answer, Cluster, Follower, SOON, read};

#[test]
fn another_controller_takes_over_and_identities_keep_their_numbers() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut first = cluster.controller("controller-1")?;
    first.wait_ready()?;
    eventually(SOON, || {
        let holder = cluster.holder()?;
        ensure!(holder.starts_with("controller-1_"), "{holder}");
        ensure!(cluster.identities()?.len() >= 5, "{:?}", cluster.identities()?);
        Ok(())
    })?;
    let before = cluster.identities()?;
    let mut second = cluster.controller("controller-2")?;
    second.wait_ready()?;
    ensure!(second.metric("postern_controller_leader")? == "0");

    // Clients are the leader's.
    let (ca, token) = (cluster.ca()?, cluster.node_token("n1", "postern-node", "postern")?);
    let waiting = Follower::start(second.xds, "n1", &ca, &token, Answer::Take)?;
    waiting.wait_refused("does not lead")?;

    first.signal("KILL")?;
    eventually(SOON, || {
        let holder = cluster.holder()?;
        ensure!(holder.starts_with("controller-2_"), "{holder}");
        Ok(())
    })?;
    waiting.wait("the new leader serves", |it| it.endpoints.len() == 1)?;
    cluster.server.kubectl_ok(&["create", "-f", "-"], &read("deploy/tutorial/policy.yaml")).or_else(
        |_| {
            // Until the new leader has announced its webhook.
            eventually(SOON, || {
                cluster.server.kubectl_ok(&["create", "-f", "-"], &read("deploy/tutorial/policy.yaml"))
            })
        },
    )?;
    cluster.expect_condition("rule1", "Enforced", "True", "1/1")?;
    let after = cluster.identities()?;
    ensure!(before.iter().all(|it| after.contains(it)), "{before:?} became {after:?}");

    // Told to end, it gives the lease back, and the next one does not have to wait for it.
    let mut third = cluster.controller("controller-3")?;
    third.wait_ready()?;
    second.signal("TERM")?;
    ensure!(second.process.wait_for_exit(SOON)?.success());
    let released = Instant::now();
    eventually(SOON, || {
        let holder = cluster.holder()?;
        ensure!(holder.starts_with("controller-3_"), "{holder}");
        Ok(())
    })?;
    ensure!(released.elapsed() < Duration::from_secs(12), "{:?}", released.elapsed());

    // An identity that nobody has any more goes, after a while.
    cluster.server.kubectl_ok(&["delete", "pod", "app3", "--grace-period=0", "--force"], "")?;
    eventually(SOON, || {
        let now = cluster.identities()?;
        ensure!(now.iter().all(|(_, spec)| !spec.contains("id=app3")), "{now:?}");
        Ok(())
    })
}

#[test]
fn nodes_keep_their_policy_while_the_api_server_is_away() -> Result<()> {
    let cluster = Cluster::start()?;
    let mut controller = cluster.controller("controller-1")?;
    controller.wait_ready()?;
    let (ca, token) = (cluster.ca()?, cluster.node_token("n1", "postern-node", "postern")?);
    let v2 = read("deploy/tutorial/policy-v2.yaml");
    cluster.server.kubectl_ok(&["create", "-f", "-"], &v2)?;
    let n1 = Follower::start(controller.xds, "n1", &ca, &token, Answer::Take)?;
    let closed = |it: &postern_xds::client::Snapshot| it.endpoints.iter().any(|it| it.ingress.default_deny);
    let before = n1.wait("app1 is closed", closed)?;
    cluster.expect_condition("rule1", "Enforced", "True", "1/1")?;

    cluster.server.pause()?;
    // The election is the first to notice: leadership ends, and its failures are counted from there.
    eventually(SOON, || {
        ensure!(controller.metric("postern_controller_leader")? == "0");
        Ok(())
    })?;
    let again = Follower::start(controller.xds, "n1", &ca, &token, Answer::Take)?;
    let same = again.wait("a known token is taken while nobody can be asked", closed)?;
    ensure!(same.endpoints == before.endpoints);
    eventually(SOON, || {
        let (status, body) = controller.page("/readyz")?;
        ensure!(status == 503 && body.contains("the API server fails"), "{status} {body}");
        Ok(())
    })?;
    ensure!(n1.latest().is_some_and(|it| it.endpoints == before.endpoints));
    ensure!(controller.page("/healthz")?.0 == 200);
    cluster.server.resume()?;

    eventually(SOON, || {
        ensure!(controller.metric("postern_controller_leader")? == "1");
        ensure!(controller.page("/readyz")?.0 == 200);
        Ok(())
    })?;
    cluster.server.kubectl_ok(&["delete", "-f", "-"], &v2)?;
    n1.wait("app1 is open again", |it| !closed(it))?;
    Ok(())
}
