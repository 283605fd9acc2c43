//! What `postern check` found, for machines, and in one line for people.

use std::io::IsTerminal;

use postern_policy_lang::Policies;
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::lint::{Finding, Lint};
use postern_policy_lang::source::SourceFile;
use serde::Serialize;

use super::fix::Changes;
use crate::output::{Format, Style, print, print_json};

/// The whole result.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    files: usize,
    policies: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
    diagnostics: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    changes: &'a Changes,
}

#[derive(Serialize)]
struct Entry<'a> {
    severity: &'static str,
    code: &'static str,
    /// Whether it can be allowed by name, and where that is written about.
    #[serde(skip_serializing_if = "Option::is_none")]
    lint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    message: &'a str,
    file: &'a str,
    line: usize,
    column: usize,
    field: &'a str,
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Replacement<'a>>,
}

/// What to write instead of the value at these characters of the file, its quotes aside.
#[derive(Serialize)]
struct Replacement<'a> {
    rule: &'a str,
    field: &'static str,
    start: usize,
    end: usize,
    to: &'a str,
}

impl<'a> Entry<'a> {
    fn new(diagnostic: &'a Diagnostic) -> Self {
        let lint = diagnostic.code.lint();
        Self {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code.as_str(),
            lint: lint.map(Lint::as_str),
            page: lint.map(Lint::page),
            message: &diagnostic.message,
            file: &diagnostic.file,
            line: diagnostic.span.place.line,
            column: diagnostic.span.place.column,
            field: &diagnostic.field,
            help: diagnostic.help.as_deref(),
            fix: None,
        }
    }

    fn of(finding: &'a Finding) -> Self {
        let fix = finding.fix.as_ref().map(|fix| Replacement {
            rule: fix.rule.as_str(),
            field: fix.field.as_str(),
            start: fix.span.start,
            end: fix.span.end,
            to: &fix.to,
        });
        Self { fix, ..Self::new(&finding.diagnostic) }
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(
        files: &[SourceFile],
        loaded: &Policies,
        findings: &'a [Finding],
        inventory: &'a [Diagnostic],
        changes: &'a Changes,
    ) -> Self {
        let all = findings.iter().map(|finding| &finding.diagnostic).chain(inventory);
        let count = |severity| all.clone().filter(|diagnostic| diagnostic.severity == severity).count();
        Self {
            files: files.len(),
            policies: loaded.policies.len(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            diagnostics: findings.iter().map(Entry::of).chain(inventory.iter().map(Entry::new)).collect(),
            changes,
        }
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        match severity {
            Severity::Note => self.notes,
            Severity::Warning => self.warnings,
            Severity::Error => self.errors,
        }
    }

    /// The last line.
    pub(super) fn summary(&self, stream: &impl IsTerminal) -> String {
        let style = Style::of(stream);
        let mark = match (self.errors, self.warnings) {
            (0, 0) => style.green("ok"),
            (0, _) => style.yellow("ok, with warnings"),
            _ => style.red("refused"),
        };
        let notes = match self.notes {
            0 => String::new(),
            notes => format!(", {}", counted(notes, "note", "notes")),
        };
        format!(
            "{mark}: {} in {}, {}, {}{notes}\n",
            counted(self.policies, "policy", "policies"),
            counted(self.files, "file", "files"),
            counted(self.errors, "error", "errors"),
            counted(self.warnings, "warning", "warnings"),
        )
    }
}

pub(super) fn counted(count: usize, what: &str, many: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {many}"),
    }
}

#[derive(Serialize)]
struct Listed {
    lint: &'static str,
    summary: &'static str,
    page: String,
}

/// Prints every lint.
pub(super) fn print_lints(format: Format) -> anyhow::Result<()> {
    let lints = Lint::EVERY.into_iter();
    match format {
        Format::Json => {
            let listed =
                |lint: Lint| Listed { lint: lint.as_str(), summary: lint.summary(), page: lint.page() };
            print_json(&lints.map(listed).collect::<Vec<_>>())
        }
        Format::Human => {
            let longest = lints.clone().map(|lint| lint.as_str().len()).max().unwrap_or_default();
            print(
                &lints
                    .map(|lint| format!("{:longest$}  {}\n", lint.as_str(), lint.summary()))
                    .collect::<String>(),
            )
        }
    }
}
