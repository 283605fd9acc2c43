//! `postern check`.

mod diff;
mod fix;
mod report;

use std::path::PathBuf;

use postern_policy_lang::diagnostic::Severity;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::lint::{Levels, Lint, lint};
use postern_policy_lang::load_policies;

use crate::output::{Format, Outcome, print, print_json};
use crate::{inputs, render};

/// Parse, validate and lint policy files
///
/// Every error of every file is reported at once, each with its place, and what is well formed but probably not
/// meant is a warning with a name. docs/lints has a page for each. An object allows lints by the annotation
/// `postern.dev/allow-lint: "name, name"`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  postern check policies/
  postern check --strict --inventory world.yaml -o json rule1.yaml
  postern check --fix --diff policies/")]
pub(crate) struct Args {
    /// Policy files, or folders of them (`-` reads standard input)
    #[arg(required_unless_present = "list_lints", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What exists, so that selectors are held against it: Pod, Namespace, Node, Service or Workload documents
    #[arg(long, short, num_args = 1.., value_name = "FILE")]
    inventory: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Do not report this lint
    #[arg(long, value_name = "LINT", value_parser = parse_lint)]
    allow: Vec<Lint>,
    /// Report this lint as an error
    #[arg(long, value_name = "LINT", value_parser = parse_lint)]
    deny: Vec<Lint>,
    /// List the lints, and do nothing else
    #[arg(long)]
    list_lints: bool,
    /// Mend what can be mended with certainty, in place; what came by standard input is printed
    #[arg(long)]
    fix: bool,
    /// With --fix: change no file
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// With --fix: print the changes as a unified diff, and change no file
    #[arg(long, requires = "fix")]
    diff: bool,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

fn parse_lint(text: &str) -> Result<Lint, String> {
    Lint::parse(text).ok_or_else(|| match Lint::nearest(text) {
        Some(near) => format!("there is no such lint: did you mean {near}?"),
        None => "there is no such lint: --list-lints lists them".to_owned(),
    })
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if args.list_lints {
        report::print_lints(args.output)?;
        return Ok(Outcome::Ok);
    }
    let mut files = inputs::read(&args.files)?;
    let inventory_files = inputs::read(&args.inventory)?;
    let inventory = load_inventory(&inventory_files);
    let levels =
        Levels { allow: args.allow.iter().copied().collect(), deny: args.deny.iter().copied().collect() };
    let changes = match args.fix {
        true => fix::fix(&args.files, &mut files, &levels, args.dry_run || args.diff)?,
        false => fix::Changes::default(),
    };
    let loaded = load_policies(&files);
    let world = (!args.inventory.is_empty()).then_some(&inventory.world);
    let findings = lint(&files, &loaded, world, &levels);
    let report = report::Report::new(&files, &loaded, &findings, &inventory.diagnostics, &changes);
    match args.output {
        Format::Json => print_json(&report)?,
        Format::Human => {
            print(&changes.printed(args.diff || args.dry_run))?;
            render::diagnostics(&inventory_files, &inventory.diagnostics);
            let diagnostics: Vec<_> = findings.iter().map(|finding| finding.diagnostic.clone()).collect();
            render::diagnostics(&files, &diagnostics);
            // What was fixed on its way through is the result.
            match changes.is_filter() {
                true => eprint!("{}", report.summary(&std::io::stderr())),
                false => print(&report.summary(&std::io::stdout()))?,
            }
        }
    }
    let failed = report.count(Severity::Error) > 0 || (args.strict && report.count(Severity::Warning) > 0);
    Ok(if failed { Outcome::Findings } else { Outcome::Ok })
}
