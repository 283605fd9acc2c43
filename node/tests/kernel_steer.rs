//! The plan of steering in network namespaces of its own. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(unsafe_code, reason = "a network namespace is a system call")]

use std::process::Command;
use std::thread;

use postern_node::steer::{Family, Plan, SteerError, apply, inspect, remove};
use serde_json::Value;

/// Runs in a network namespace that is gone afterwards, inside a runtime that stays on this thread.
fn in_netns(work: impl AsyncFnOnce() + Send + 'static) {
    let inside = thread::spawn(|| {
        // SAFETY: it takes no pointers, and moves nothing but this thread, which ends with the test.
        let done = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(done, 0, "a network namespace needs root: {}", std::io::Error::last_os_error());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ip("link set lo up");
            work().await;
        });
    });
    if let Err(panic) = inside.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> Vec<u8> {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    output.stdout
}

fn ip_json(arguments: &str) -> Vec<Value> {
    let bytes = ip(arguments);
    if bytes.is_empty() { Vec::new() } else { serde_json::from_slice(&bytes).unwrap() }
}

fn rules(family: Family) -> Vec<Value> {
    ip_json(&format!("{family} -j rule show"))
}

/// `ip` knows no table yet that nobody has put a route in.
fn routes(family: Family) -> Vec<Value> {
    let all = ip_json(&format!("{family} -j route show table all"));
    all.into_iter().filter(|route| route["table"] == "2004").collect()
}

/// Both families, before and after.
fn everything() -> Vec<Vec<Value>> {
    let both = [Family::V4, Family::V6];
    both.into_iter().flat_map(|family| [rules(family), routes(family)]).collect()
}

#[test]
fn a_plan_is_applied_and_removed_once() {
    in_netns(async || {
        let plan = Plan::for_this_machine();
        assert_eq!(plan, Plan::standard());
        let before = everything();
        assert!(!inspect(&plan).await.unwrap().is_complete());

        assert_eq!(apply(&plan).await.unwrap(), 4);
        assert!(inspect(&plan).await.unwrap().is_complete());
        for family in [Family::V4, Family::V6] {
            let rules = rules(family);
            let ours: Vec<_> = rules.iter().filter(|rule| rule["priority"] == 100).collect();
            assert_eq!(ours.len(), 1, "{rules:?}");
            for (field, value) in
                [("src", "all"), ("fwmark", "0x200"), ("fwmask", "0xf00"), ("table", "2004")]
            {
                assert_eq!(ours[0][field], value, "{rules:?}");
            }
            let routes = routes(family);
            assert_eq!(routes.len(), 1, "{routes:?}");
            for (field, value) in [("type", "local"), ("dst", "default"), ("dev", "lo")] {
                assert_eq!(routes[0][field], value, "{routes:?}");
            }
        }
        let applied = everything();
        assert_eq!(apply(&plan).await.unwrap(), 0);
        assert_eq!(everything(), applied);

        assert_eq!(remove(&plan).await.unwrap(), 4);
        assert_eq!(everything(), before);
        assert_eq!(remove(&plan).await.unwrap(), 0);
        assert_eq!(everything(), before);
    });
}

#[test]
fn the_kernel_delivers_what_bears_the_mark() {
    in_netns(async || {
        ip("link add pod type veth peer name peer");
        ip("link set pod up");
        ip("address add 198.51.100.1/24 dev pod");
        apply(&Plan::standard()).await.unwrap();
        // Bits outside of the mask are somebody else's.
        let steered = ip_json("-j route get 192.0.2.1 from 198.51.100.2 iif pod mark 0x12fa");
        assert_eq!(steered[0]["type"], "local", "{steered:?}");
        let steered = ip_json("-6 -j route get 2001:db8::1 mark 0x200");
        assert_eq!(steered[0]["type"], "local", "{steered:?}");
        for family in ["-4", "-6"] {
            let to = if family == "-4" { "192.0.2.1" } else { "2001:db8::1" };
            let own =
                Command::new("ip").args([family, "route", "get", to, "mark", "0xa00"]).output().unwrap();
            assert!(!own.status.success(), "the proxy's own packets have another way to go than {own:?}");
        }
    });
}

#[test]
fn only_what_is_missing_is_added() {
    in_netns(async || {
        let plan = Plan::standard();
        // As an administrator would write it: it is the plan's all the same.
        ip("-4 route add local default dev lo table 2004");
        ip("-6 rule add priority 100 fwmark 0x200/0xf00 lookup 2004");
        assert_eq!(apply(&plan).await.unwrap(), 2);
        ip("-6 route del local default dev lo table 2004");
        assert_eq!(apply(&plan).await.unwrap(), 1);
        assert_eq!(remove(&plan).await.unwrap(), 4);
        assert_eq!(routes(Family::V4), [] as [Value; 0]);
    });
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    in_netns(async || {
        for rule in [
            "-4 rule add priority 99 fwmark 0x200/0xf00 lookup 7",
            "-4 rule add priority 100 fwmark 0x300/0xf00 lookup 7",
            "-4 rule add priority 100 from 10.0.0.0/8 lookup 7",
            "-6 rule add priority 32000 fwmark 0x200/0xf00 lookup 2004",
        ] {
            ip(rule);
        }
        ip("-4 route add local 10.0.0.0/8 dev lo table 7");
        let before = everything();
        let plan = Plan::standard();
        assert_eq!(apply(&plan).await.unwrap(), 4);
        assert_eq!(remove(&plan).await.unwrap(), 4);
        assert_eq!(everything(), before);
    });
}

#[test]
fn a_rule_in_the_place_of_ours_is_an_error() {
    for foreign in ["lookup 7", "iif lo lookup 2004", "prohibit"] {
        in_netns(async move || {
            ip(&format!("-4 rule add priority 100 fwmark 0x200/0xf00 {foreign}"));
            let before = everything();
            let plan = Plan::standard();
            let error = apply(&plan).await.unwrap_err();
            assert!(matches!(error, SteerError::ForeignRule { family: Family::V4, .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains("where `priority 100 fwmark 0x200/0xf00 lookup 2004` should be; remove it"),
                "{text}"
            );
            assert_eq!(everything(), before);
            assert_eq!(remove(&plan).await.unwrap(), 0);
            assert_eq!(everything(), before);
        });
    }
}

#[test]
fn another_route_in_the_table_is_an_error() {
    in_netns(async || {
        ip("-6 route add blackhole 2001:db8::/32 table 2004");
        let before = everything();
        let error = apply(&Plan::standard()).await.unwrap_err();
        assert!(matches!(error, SteerError::ForeignRoute { family: Family::V6, .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("`ip -6 route show table 2004` has a route of type blackhole to a /32 beside "),
            "{text}"
        );
        assert_eq!(everything(), before);
        assert_eq!(remove(&Plan::standard()).await.unwrap(), 0);
        assert_eq!(everything(), before);
    });
}

#[test]
fn what_the_kernel_refuses_is_said() {
    in_netns(async || {
        ip("link set lo down");
        let text = apply(&Plan::standard()).await.unwrap_err().to_string();
        assert_eq!(
            text,
            "the kernel refuses `ip -6 route add local default dev lo table 2004`: the device lo is down; `ip link set lo up`"
        );
        // Rules come after all routes: none leads to a table that is not complete.
        assert!(rules(Family::V4).iter().all(|rule| rule["priority"] != 100));
    });
}

#[test]
fn without_ipv6_the_plan_is_of_ipv4() {
    in_netns(async || {
        for device in ["all", "lo"] {
            // Of this namespace only.
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1").unwrap();
        }
        let plan = Plan::for_this_machine();
        assert!(plan.rules.iter().all(|rule| rule.family == Family::V4));
        assert_eq!(apply(&plan).await.unwrap(), 2);
        assert_eq!(remove(&plan).await.unwrap(), 2);
    });
}
