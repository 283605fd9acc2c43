//! The API server of a box.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use postern_tests_harness::apiserver::{self, ApiServer};
use postern_tests_harness::programs;

use crate::subnets::Subnets;
use crate::tool;

/// Up to this minor version, two families are an option that is off.
const DUAL_STACK_IS_AN_OPTION: u32 = 20;

/// Starts it where the nodes reach it, with services and pods of both families.
pub(crate) fn start(subnets: Subnets) -> Result<ApiServer> {
    let (v4, v6) = subnets.services();
    let mut options = apiserver::Options {
        bind: subnets.hub().v4.into(),
        services: format!("{v4},{v6}"),
        ..apiserver::Options::default()
    };
    if minor_version()? <= DUAL_STACK_IS_AN_OPTION {
        options.args.push("--feature-gates=IPv6DualStack=true".to_owned());
    }
    ApiServer::start_with(&options).context("cannot start the API server")
}

/// The kubectl that goes with it.
pub(crate) fn kubectl() -> Result<PathBuf> {
    Ok(programs::assets()?.join("kubectl"))
}

/// Of the server's version, 1.N.
fn minor_version() -> Result<u32> {
    let mut command = Command::new(programs::assets()?.join("kube-apiserver"));
    let printed = tool::run(command.arg("--version"), "")?;
    let minor = printed.split('.').nth(1).and_then(|minor| minor.parse().ok());
    minor.with_context(|| format!("kube-apiserver says it is {:?}", printed.trim_end()))
}
