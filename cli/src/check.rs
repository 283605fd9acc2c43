//! `postern check`.

use std::path::PathBuf;

use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::load_policies;
use serde::Serialize;

use crate::output::{Format, Outcome, Style, print, print_json};
use crate::{inputs, render};

/// Parse and validate policy files
///
/// Every error of every file is reported at once, each with its place. Nothing is enforced in part: what is not
/// supported yet is an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  postern check policies/\n  postern check --strict -o json rule1.yaml")]
pub(crate) struct Args {
    /// Policy files, or folders of them (`-` reads standard input)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    files: usize,
    policies: usize,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    file: &'a str,
    line: usize,
    column: usize,
    field: &'a str,
    help: Option<&'a str>,
}

impl<'a> Finding<'a> {
    fn new(diagnostic: &'a Diagnostic) -> Self {
        Self {
            severity: match diagnostic.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            code: diagnostic.code.as_str(),
            message: &diagnostic.message,
            file: &diagnostic.file,
            line: diagnostic.span.place.line,
            column: diagnostic.span.place.column,
            field: &diagnostic.field,
            help: diagnostic.help.as_deref(),
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let files = inputs::read(&args.files)?;
    let loaded = load_policies(&files);
    let count = |severity| loaded.diagnostics.iter().filter(|d| d.severity == severity).count();
    let report = Report {
        files: files.len(),
        policies: loaded.policies.len(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        diagnostics: loaded.diagnostics.iter().map(Finding::new).collect(),
    };
    match args.output {
        Format::Json => print_json(&report)?,
        Format::Human => {
            render::diagnostics(&files, &loaded.diagnostics);
            print(&summary(&report))?;
        }
    }
    let failed = report.errors > 0 || (args.strict && report.warnings > 0);
    Ok(if failed { Outcome::Findings } else { Outcome::Ok })
}

fn summary(report: &Report<'_>) -> String {
    let style = Style::of(&std::io::stdout());
    let mark = match (report.errors, report.warnings) {
        (0, 0) => style.green("ok"),
        (0, _) => style.yellow("ok, with warnings"),
        _ => style.red("refused"),
    };
    let counted = |count: usize, what: &str, many: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {many}"),
    };
    format!(
        "{mark}: {} in {}, {}, {}\n",
        counted(report.policies, "policy", "policies"),
        counted(report.files, "file", "files"),
        counted(report.errors, "error", "errors"),
        counted(report.warnings, "warning", "warnings"),
    )
}
