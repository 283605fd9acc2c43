//! Everything that can be given to the agent and is not good.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use postern_tests_e2e::node::{Policy, World};
use postern_tests_e2e::proxy::{SOON, write};
use postern_tests_harness::eventually;

use crate::policies::TUTORIAL;
use crate::support::{as_nobody, is_denied, is_dropped, passes};

#[test]
fn a_bad_bundle_changes_nothing() {
    let world = World::start(Policy(TUTORIAL)).unwrap();
    let http = world.app1().serve(80).unwrap();
    let (agent, proxy) = (world.agent.as_ref().unwrap(), world.proxy.as_ref().unwrap());
    let good = std::fs::read_to_string(world.bundle()).unwrap();
    let newer = good.replace("postern.dev/filter/v1alpha1", "postern.dev/filter/v9");
    let half = good.get(..good.len() / 2).unwrap();
    for bad in ["", "{", "\0\u{fffd}", &newer, half] {
        let refused = "the last good policy stays";
        let before = [agent, proxy].map(|daemon| daemon.lines(refused).len());
        write(&world.bundle(), bad).unwrap();
        for (daemon, before) in [agent, proxy].into_iter().zip(before) {
            daemon.hang_up().unwrap();
            eventually(SOON, || {
                ensure!(daemon.lines(refused).len() > before, "no refusal of {bad:?}: {}", daemon.log());
                Ok(())
            })
            .unwrap();
            assert!(daemon.lines(refused).iter().all(|line| line.contains("bundle.json")));
        }
        let to = (world.app1().addresses()[0], 80).into();
        passes(world.app2(), &http, to, "/public");
        is_denied(world.app2(), &http, to, "/private");
        is_dropped(world.app3(), &http, to);
    }
    world.load(Policy(&TUTORIAL.replace("id: app2", "id: app3"))).unwrap();
    passes(world.app3(), &http, (world.app1().addresses()[1], 80).into(), "/public");
}

#[test]
fn a_rule_that_does_not_compile_is_alone() {
    let rules = TUTORIAL.to_owned() + "        - method: GET\n          path: /second\n";
    let world = World::start(Policy(&rules)).unwrap();
    let http = world.app1().serve(80).unwrap();
    world
        .load_edited(Policy(&rules), |bundle| {
            let rule = bundle.pointer_mut("/endpoints/0/ingress/rules/0/action/http/0/path").unwrap();
            assert_eq!(*rule, "/public");
            *rule = "/(".into();
        })
        .unwrap();
    for to in world.app1().addresses() {
        passes(world.app2(), &http, (to, 80).into(), "/second");
        is_denied(world.app2(), &http, (to, 80).into(), "/public");
        is_dropped(world.app3(), &http, (to, 80).into());
    }
    let status = world.agent.as_ref().unwrap().json("/status").unwrap();
    assert_eq!(status["quarantined"].as_array().unwrap().len(), 1, "{status}");
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let world = World::bare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.json");
    std::fs::write(
        &good,
        r#"{"apiVersion": "postern.dev/filter/v1alpha1", "identities": [], "endpoints": []}"#,
    )
    .unwrap();
    let good = good.to_str().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{").unwrap();
    let elsewhere = folder.path().join("bpf");
    let (bad, elsewhere) = (bad.to_str().unwrap(), elsewhere.to_str().unwrap());
    let bpffs = world.bpffs().to_str().unwrap();
    let taken = world.node().run(|| TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, code, message) in [
        (vec!["--bundle", good, "--bpffs", elsewhere], 3, "is not on a BPF file system: mount one by"),
        (vec!["--bundle", bad, "--bpffs", bpffs], 3, "bad.json is refused"),
        (vec!["--bundle", "/nowhere.json", "--bpffs", bpffs], 3, "cannot read /nowhere.json"),
        (vec!["--bpffs", bpffs], 3, "nothing says what to enforce"),
        (vec!["--bundle", good, "--bpffs", bpffs, "--flows", "/nowhere/flows"], 3, "cannot write flows to"),
        (vec!["--bundle", good, "--bpffs", bpffs, "--admin", &taken], 3, "cannot listen on"),
        (vec!["--bundle", good, "--bpffs", bpffs, "--device", "app1"], 2, "NAMESPACE/NAME=DEVICE"),
    ] {
        let ran = world.run(["node", "--log", "warn"].iter().chain(&arguments)).unwrap();
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:#?}");
        assert!(ran.stderr.contains(message) && ran.is_presentable(), "{arguments:?}: {message}: {ran:#?}");
        assert!(!world.bpffs().exists(), "{arguments:?}: nothing is left behind");
    }
    let own = folder_of_nobody(world.bpffs());
    // The bundle is nobody's to read otherwise: that would be what keeps it.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let output = as_nobody(&["node", "--log", "warn", "--bundle", good], &own);
    let error = String::from_utf8_lossy(&output.stderr);
    // A BPF file system is open to all, as /tmp is: it may have left its folder there.
    drop(std::fs::remove_dir_all(&own));
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("ermi") && !error.contains("panicked"), "{error}");
}

#[test]
fn a_full_disk_is_told_once_and_ends_nothing() {
    let mut world = World::start(Policy(TUTORIAL)).unwrap();
    let http = world.app1().serve(80).unwrap();
    drop(world.agent.take());
    std::fs::remove_file(world.flow_file()).unwrap();
    std::os::unix::fs::symlink("/dev/full", world.flow_file()).unwrap();
    world.start_agent().unwrap();
    let to = (world.app1().addresses()[0], 80).into();
    is_dropped(world.app3(), &http, to);
    let told = "cannot write flows: No space left on device";
    let agent = world.agent.as_ref().unwrap();
    eventually(SOON, || {
        ensure!(!agent.lines(told).is_empty(), "not told: {}", agent.log());
        Ok(())
    })
    .unwrap();
    is_dropped(world.app3(), &http, to);
    world.load(Policy(&TUTORIAL.replace("id: app2", "id: app3"))).unwrap();
    passes(world.app3(), &http, to, "/public");
    let agent = world.agent.as_ref().unwrap();
    assert_eq!(agent.lines(told).len(), 1, "{}", agent.log());
}

fn folder_of_nobody(bpffs: &Path) -> PathBuf {
    let mut name = bpffs.as_os_str().to_owned();
    name.push("-nobody");
    name.into()
}
