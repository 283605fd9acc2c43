//! `postern diff`.

mod json;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};
use postern_policy_core::policy::{Mode, Policy};
use postern_policy_core::world::{CidrGroup, World};
use postern_policy_diff::report::{Effect, Report};
use postern_policy_diff::{Side, diff};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;

use crate::cli::Cli;
use crate::output::{Format, Outcome, print, print_json};
use crate::{inputs, render};

/// Say who gains and who loses what between two sets of policies
///
/// Each change comes with a connection or request that shows it. What is not listed does not change, for any port,
/// path, method, host or header: that is computed, not sampled. Exits with 1 if something changes, or could not be
/// decided.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  postern diff old/ new/ --inventory pods.yaml
  postern diff main.yaml branch.yaml --inventory pods.yaml --fail-on gained
  postern diff policies/ policies/ --old-inventory before.yaml --inventory pods.yaml
  postern diff --audited policies/ --inventory pods.yaml")]
pub(crate) struct Args {
    /// Policy files, or folders of them: the old ones and the new ones; with --audited just the one set
    #[arg(required = true, num_args = 1..=2, value_names = ["OLD", "NEW"])]
    sets: Vec<PathBuf>,
    /// What exists: Pod, Namespace, Node, Service or Workload documents
    #[arg(long, short, required = true, num_args = 1.., value_name = "FILE")]
    inventory: Vec<PathBuf>,
    /// What existed for the old set, where that differs: in how ports read paths (postern.dev/path-profile), and in
    /// nothing else
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "audited")]
    old_inventory: Vec<PathBuf>,
    /// Compare a set with itself as it would be if the policies that are only audited were enforced
    #[arg(long)]
    audited: bool,
    /// List only what is gained, or only what is lost
    #[arg(long, value_enum, value_name = "WHAT")]
    only: Option<Way>,
    /// Exit with 1 only if something is gained, or only if something is lost
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Option<Way>,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// What passes and did not
    Gained,
    /// What passed and does not any more
    Lost,
}

impl Way {
    fn means(self, effect: Effect) -> bool {
        match self {
            Self::Gained => effect == Effect::Gained,
            Self::Lost => effect == Effect::Lost,
        }
    }
}

/// Policies, and the CIDR groups beside them.
struct Set {
    policies: Vec<Policy>,
    groups: Vec<CidrGroup>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (old, new) = sets(args)?;
    let exists = inventory(&args.inventory)?;
    let existed = match args.old_inventory.as_slice() {
        [] => exists.clone(),
        files => inventory(files)?,
    };
    let (old_world, new_world) = (old.world(&existed)?, new.world(&exists)?);
    let old = Side { policies: &old.policies, world: &old_world };
    let new = Side { policies: &new.policies, world: &new_world };
    let mut report = diff(old, new).map_err(|error| anyhow!("cannot compare: {error}"))?;
    let fails = |effect: Effect| args.fail_on.is_none_or(|way| way.means(effect));
    let shown = |effect: Effect| args.only.is_none_or(|way| way.means(effect));
    let unchanged = report.is_unchanged();
    report.changes.retain(|change| shown(change.effect));
    report.undecided.retain(|open| shown(open.effect));
    let failed = has(&report, &fails);
    match args.output {
        Format::Json => print_json(&json::Document::new(&report, unchanged))?,
        Format::Human => print(&text::human(&report, args.only.map(wording)))?,
    }
    Ok(if failed { Outcome::Findings } else { Outcome::Ok })
}

fn has(report: &Report, wanted: &dyn Fn(Effect) -> bool) -> bool {
    report.changes.iter().any(|change| wanted(change.effect))
        || report.undecided.iter().any(|open| wanted(open.effect))
}

fn wording(way: Way) -> &'static str {
    match way {
        Way::Gained => "gained",
        Way::Lost => "lost",
    }
}

/// The two sets that are compared.
fn sets(args: &Args) -> anyhow::Result<(Set, Set)> {
    let usage = |message: &str| -> ! { Cli::command().error(ErrorKind::WrongNumberOfValues, message).exit() };
    match (args.sets.as_slice(), args.audited) {
        ([set], true) => {
            let mut enforced = load(set)?;
            let all = |policy: &Policy| Policy { mode: Mode::Enforced, ..policy.clone() };
            let promoted = enforced.policies.iter().map(all).collect();
            let promoted = Set { policies: promoted, groups: enforced.groups.clone() };
            enforced.policies.retain(|policy| policy.mode == Mode::Enforced);
            Ok((enforced, promoted))
        }
        ([old, new], false) => Ok((load(old)?, load(new)?)),
        (_, true) => usage("--audited compares one set with itself: give one file or folder"),
        (_, false) => usage("two sets are compared: give the old one and the new one"),
    }
}

fn load(path: &Path) -> anyhow::Result<Set> {
    let files = inputs::read(&[path.to_owned()])?;
    let loaded = load_policies(&files);
    render::diagnostics(&files, &loaded.diagnostics);
    if loaded.has_errors() {
        bail!("{} has errors: nothing was compared", path.display());
    }
    if loaded.policies.is_empty() {
        // A set may well be empty, but a wrong path looks the same.
        eprintln!("warning: there is no policy in {}: nothing is enforced on that side", path.display());
    }
    Ok(Set { policies: loaded.policies, groups: loaded.cidr_groups })
}

fn inventory(paths: &[PathBuf]) -> anyhow::Result<World> {
    let files = inputs::read(paths)?;
    let inventory = load_inventory(&files);
    render::diagnostics(&files, &inventory.diagnostics);
    if inventory.has_errors() {
        bail!("the inventory has errors: nothing was compared");
    }
    // Without workloads everything would be unchanged, and mean nothing.
    if inventory.world.workloads().next().is_none() {
        bail!("the inventory has no workloads: there is nobody to compare for");
    }
    Ok(inventory.world)
}

impl Set {
    /// The world as it is with the CIDR groups of this set.
    fn world(&self, inventory: &World) -> anyhow::Result<World> {
        let mut world = inventory.clone();
        for group in &self.groups {
            world.add_cidr_group(group.clone())?;
        }
        Ok(world)
    }
}
