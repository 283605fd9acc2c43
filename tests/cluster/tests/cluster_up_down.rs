//! `up` and `down`, the commands: a box stays when `up` has ended, and nothing does after `down`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Command, Output};

use postern_tests_cluster::RunId;
use postern_tests_cluster::folder::Folder;
use postern_tests_cluster::traces::{self, Traces};

const PROGRAM: &str = env!("CARGO_BIN_EXE_postern-cluster");

/// A box made by `up`. Dropping it removes it, also when a test has failed.
struct Up(RunId);

impl Up {
    fn bare() -> Up {
        let up = Up(RunId::random());
        let said = up.run("up", &["--bare", "--nodes=1"]);
        assert!(said.status.success(), "{said:?}");
        let guide = String::from_utf8(said.stdout).unwrap();
        assert!(guide.contains("deploy/tutorial/demo.yaml"), "{guide}");
        up
    }

    fn run(&self, action: &str, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.arg(action).arg(format!("--run={}", self.0)).args(args).output().unwrap()
    }

    fn ok(&self, action: &str, args: &[&str]) -> String {
        let output = self.run(action, args);
        assert!(output.status.success(), "{action} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        traces::remove(self.0).unwrap();
    }
}

/// What a box could change on the machine and that does not have to bear its name: [`Traces`] has the rest.
fn machine() -> BTreeSet<String> {
    let list = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| format!("{program} {}: {line}", args.join(" "))).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for args in [
        ["netns", "list"].as_slice(),
        &["-4", "rule"],
        &["-6", "rule"],
        &["-oneline", "-brief", "link"],
        &["-4", "route", "show", "table", "all"],
    ] {
        all.extend(list("ip", args));
    }
    all.extend(list("nft", &["list", "tables"]));
    // Boxes of other tests come and go: their namespaces, devices and routes have their runs in them.
    all.into_iter().filter(|line| !line.contains(" pc")).collect()
}

#[test]
fn a_box_stays_until_down_and_leaves_nothing() {
    let before = machine();
    let up = Up::bare();
    assert_eq!(up.ok("kubectl", &["--", "get", "nodes", "-o", "name"]).trim(), "node/node1");
    up.ok("kubectl", &["--", "run", "one", "--image=postern.dev/client"]);
    up.ok("kubectl", &["--", "wait", "--for=condition=ready", "pod/one", "--timeout=30s"]);
    let status = Command::new(PROGRAM).arg("status").output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(&format!("run {}: up, 1 nodes", up.0)), "{status}");
    assert!(status.contains("pod default/one"), "{status}");
    let addresses = up.ok("exec", &["one", "--", "ip", "-oneline", "address"]);
    assert!(addresses.contains("eth0"), "{addresses}");
    // The command's own exit code is passed on.
    assert_eq!(up.run("exec", &["one", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    let refused = up.run("up", &["--bare"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is up already"), "{refused:?}");

    let there = Traces::of(up.0).unwrap();
    assert!(there.processes.len() >= 4 && there.namespaces.len() == 3, "{there:?}");
    up.ok("down", &[]);
    assert_eq!(Traces::of(up.0).unwrap(), Traces::default());
    let after = machine();
    assert_eq!(before.symmetric_difference(&after).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn a_box_whose_supervisor_was_killed_is_removed_as_well() {
    let up = Up::bare();
    up.ok("kubectl", &["--", "run", "one", "--image=postern.dev/demo-app"]);
    up.ok("kubectl", &["--", "wait", "--for=condition=ready", "pod/one", "--timeout=30s"]);
    let owner = Folder::of(up.0).owner().unwrap();
    owner.process.signal("KILL").unwrap();
    let status = Command::new(PROGRAM).arg("status").output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(&format!("run {}: its owner was killed", up.0)), "{status}");
    assert!(!Traces::of(up.0).unwrap().is_empty());
    up.ok("down", &[]);
    assert_eq!(Traces::of(up.0).unwrap(), Traces::default());
}
