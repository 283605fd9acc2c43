//! What is allowed: by the object that a finding is in, or for the whole run.

use std::collections::BTreeSet;

use super::raw::{ALLOW, Allowance, Raw};
use super::{Finding, Levels, Lint};
use crate::diagnostic::{Code, Diagnostic, Severity};

/// Leaves out what is allowed, and reports allowances that allow nothing.
pub(super) fn apply(findings: Vec<Finding>, raw: &Raw, has_errors: bool, levels: &Levels) -> Vec<Finding> {
    let mut used: BTreeSet<(&str, usize, Lint)> = BTreeSet::new();
    let mut kept = Vec::new();
    for mut finding in findings {
        let Some(lint) = finding.diagnostic.code.lint() else {
            kept.push(finding);
            continue;
        };
        if let Some(allowance) = allowance(&finding.diagnostic, lint, raw) {
            used.insert((&allowance.file, allowance.start, lint));
            continue;
        }
        if levels.deny.contains(&lint) {
            finding.diagnostic.severity = Severity::Error;
        } else if levels.allow.contains(&lint) {
            continue;
        }
        kept.push(finding);
    }
    for allowance in &raw.allowances {
        for name in &allowance.names {
            let said = match Lint::parse(name) {
                None => Some(unknown(name, allowance)),
                // An object with errors was not looked at, and what depends on a world may have been without one.
                Some(_) if has_errors => None,
                Some(lint) if needs_world(lint) => None,
                Some(lint) if used.contains(&(&allowance.file, allowance.start, lint)) => None,
                Some(lint) => Some(unused(lint, allowance)),
            };
            let Some((lint, mut diagnostic)) = said else { continue };
            if levels.deny.contains(&lint) {
                diagnostic.severity = Severity::Error;
            } else if levels.allow.contains(&lint) {
                continue;
            }
            kept.push(Finding { diagnostic, fix: None });
        }
    }
    kept
}

fn allowance<'r>(diagnostic: &Diagnostic, lint: Lint, raw: &'r Raw) -> Option<&'r Allowance> {
    let start = raw.object_start(&diagnostic.file, diagnostic.span.start)?;
    raw.allowances.iter().find(|allowance| {
        allowance.file == diagnostic.file
            && allowance.start == start
            && allowance.names.iter().any(|name| name == lint.as_str())
    })
}

/// Whether a run without an inventory, or without the other files, may find less.
fn needs_world(lint: Lint) -> bool {
    matches!(
        lint,
        Lint::SelectsNothing
            | Lint::NamespaceTrap
            | Lint::HttpShadowedByPlainAllow
            | Lint::UnreachableRule
            | Lint::EqualPriority
            | Lint::DenyOnly
    )
}

fn unknown(name: &str, allowance: &Allowance) -> (Lint, Diagnostic) {
    let help = match Lint::nearest(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`postern check --list-lints` lists them".to_owned(),
    };
    let message = format!("there is no lint {name:?}");
    (Lint::UnknownLint, diagnostic(Severity::Warning, Lint::UnknownLint, message, help, allowance))
}

fn unused(lint: Lint, allowance: &Allowance) -> (Lint, Diagnostic) {
    let message = format!("{lint} finds nothing here: allowing it does nothing");
    let help = format!("remove {lint} from the annotation");
    (Lint::UnusedAllow, diagnostic(Severity::Note, Lint::UnusedAllow, message, help, allowance))
}

fn diagnostic(
    severity: Severity,
    lint: Lint,
    message: String,
    help: String,
    allowance: &Allowance,
) -> Diagnostic {
    Diagnostic {
        severity,
        code: Code::Lint(lint),
        message,
        file: allowance.file.clone(),
        span: allowance.span,
        field: format!("metadata.annotations[{ALLOW:?}]"),
        help: Some(help),
    }
}
