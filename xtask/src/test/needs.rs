//! What suites need beside cargo, and how each of it is come by.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::suites::{Need, Suite};
use crate::tools;

/// The variables by which tests find what was prepared. They are unset first: what happens to be on this
/// machine is not what is pinned.
pub(super) const VARIABLES: [&str; 3] = ["POSTERN_ENVOY", "POSTERN_ASSETS", "POSTERN_BIN"];

/// The capabilities that the tests in the kernel use: the name of each, and its bit.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_BPF", 39)];
/// The kernel's own types, which every program that is loaded is fitted to.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Gets everything that the suites need; gives the variables that tell them where it is. The error names
/// every suite that cannot run, with the argument that leaves it out.
pub(super) fn meet(suites: &[&Suite]) -> Result<Vec<(String, OsString)>> {
    meet_by(suites, meet_one)
}

fn meet_by(
    suites: &[&Suite],
    mut meet_one: impl FnMut(Need) -> Result<Option<(&'static str, OsString)>>,
) -> Result<Vec<(String, OsString)>> {
    let mut needs: Vec<Need> = Vec::new();
    for need in suites.iter().flat_map(|suite| suite.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    let (mut environment, mut unmet) = (Vec::new(), Vec::new());
    for need in needs {
        match meet_one(need) {
            Ok(variable) => environment.extend(variable.map(|(name, value)| (name.to_owned(), value))),
            Err(error) => {
                let with_it = suites.iter().filter(|suite| suite.needs.contains(&need));
                let names: Vec<&str> = with_it.map(|suite| suite.name).collect();
                let (names, out) = (names.join(", "), names.join(" --exclude "));
                unmet.push(format!("cannot run {names} (leave it out: --exclude {out}): {error:#}"));
            }
        }
    }
    if unmet.is_empty() { Ok(environment) } else { bail!(unmet.join("\n")) }
}

/// Gets one thing; gives the variable that names it, if it has one.
fn meet_one(need: Need) -> Result<Option<(&'static str, OsString)>> {
    Ok(match need {
        Need::Envoy => Some(("POSTERN_ENVOY", tools::envoy::ensure()?.into())),
        Need::ApiServer => Some(("POSTERN_ASSETS", tools::apiserver::ensure()?.into())),
        Need::Programs(programs) => {
            tools::packages(programs)?;
            None
        }
        Need::Root => {
            let status = fs::read_to_string("/proc/self/status").context("this is not Linux")?;
            may_load(&status)?;
            ensure!(
                Path::new(KERNEL_TYPES).exists(),
                "this kernel does not describe itself: no {KERNEL_TYPES}"
            );
            tools::bpffs::ensure()?;
            None
        }
    })
}

/// Whether a process with this `/proc/self/status` may load programs into the kernel and make networks.
fn may_load(status: &str) -> Result<()> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).with_context(|| format!("/proc/self/status does not say {name}"))
    };
    // Real, effective, saved, of the file system.
    let user = field("Uid")?.split_whitespace().nth(1).unwrap_or_default();
    ensure!(user == "0", "it takes root, and this is user {user}");
    let held = u64::from_str_radix(field("CapEff")?, 16).context("unreadable capabilities")?;
    let lacking = CAPABILITIES.iter().filter(|(_, bit)| held & (1 << bit) == 0);
    let lacking: Vec<&str> = lacking.map(|(name, _)| *name).collect();
    ensure!(lacking.is_empty(), "this root has no {}: in a container, run it privileged", lacking.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::suites::SUITES;

    fn suites(names: &[&str]) -> Vec<&'static Suite> {
        SUITES.iter().filter(|suite| names.contains(&suite.name)).collect()
    }

    #[test]
    fn each_need_is_met_once_and_named_by_its_variable() {
        let mut met = Vec::new();
        let environment = meet_by(&suites(&["unit", "apiserver", "cluster"]), |need| {
            met.push(need);
            Ok((need == Need::ApiServer).then(|| ("POSTERN_ASSETS", "/a".into())))
        });
        assert_eq!(environment.unwrap(), [("POSTERN_ASSETS".to_owned(), OsString::from("/a"))]);
        assert_eq!(met.iter().filter(|need| **need == Need::ApiServer).count(), 1);
        assert!(met.contains(&Need::Root) && met.contains(&Need::Envoy));
    }

    #[test]
    fn what_cannot_run_is_named_with_the_way_to_leave_it_out() {
        let error = meet_by(&suites(&["envoy", "kernel", "cluster"]), |need| match need {
            Need::Root => bail!("it takes root"),
            _ => Ok(None),
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "cannot run kernel, cluster (leave it out: --exclude kernel --exclude cluster): it takes root"
        );
    }

    #[test]
    fn root_in_a_container_may_still_lack_what_is_needed() {
        let status = |user: &str, held: &str| format!("Name:\tx\nUid:\t{user}\t0\t0\nCapEff:\t{held}\n");
        assert!(may_load(&status("0\t0", "000001ffffffffff")).is_ok());
        let error = may_load(&status("0\t0", "00000000a80425fb")).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF"), "{error}");
        let error = may_load(&status("1000\t1000", "0")).unwrap_err().to_string();
        assert!(error.contains("user 1000"), "{error}");
    }
}
