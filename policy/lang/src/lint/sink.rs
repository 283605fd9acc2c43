//! Where lints report to.

use std::collections::BTreeMap;

use postern_policy_core::policy::RuleId;

use super::fix::{Fix, HttpField};
use super::raw::Raw;
use super::{Finding, Lint};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Location, Place, Span};

/// Findings, each put where its rule stands.
pub(super) struct Sink<'a> {
    pub(super) raw: &'a Raw,
    pub(super) places: &'a BTreeMap<RuleId, Location>,
    pub(super) findings: Vec<Finding>,
    /// How many more pairs of rules are compared.
    pub(super) budget: usize,
}

/// How many pairs of rules are compared in all: what a run may cost is bounded.
pub(super) const MOST_COMPARED: usize = 4_000_000;

/// What is said of a rule.
pub(super) struct Said {
    pub(super) severity: Severity,
    pub(super) lint: Lint,
    pub(super) message: String,
    pub(super) help: String,
}

impl Said {
    pub(super) fn warning(lint: Lint, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, lint, message: message.into(), help: help.into() }
    }

    pub(super) fn note(lint: Lint, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::warning(lint, message, help) }
    }
}

impl Sink<'_> {
    /// Reports something of a rule or policy.
    pub(super) fn rule(&mut self, id: &RuleId, said: Said) {
        let location = self.place(id);
        self.at(location, said, None);
    }

    /// Reports something of a field of an HTTP rule, with what to write instead.
    pub(super) fn http_field(&mut self, id: &RuleId, field: HttpField, said: Said, to: Option<String>) {
        let of_rule = self.place(id);
        let Some(node) = self.raw.field(&of_rule, field.as_str()) else {
            return self.at(of_rule, said, None);
        };
        let span = node.span;
        let fix = to.map(|to| Fix { file: of_rule.file.clone(), span, rule: id.clone(), field, to });
        let field = format!("{}.{}", of_rule.field, field.as_str());
        self.at(Location { field, span, ..of_rule }, said, fix);
    }

    /// Reports something of the peer of an item that is in this place of its list, of `of` peers in all.
    pub(super) fn peer(&mut self, item: &RuleId, index: usize, of: usize, said: Said) {
        const FIELDS: [&str; 12] = [
            "fromEndpoints",
            "toEndpoints",
            "fromNodes",
            "toNodes",
            "fromCIDR",
            "toCIDR",
            "fromCIDRSet",
            "toCIDRSet",
            "fromEntities",
            "toEntities",
            "toServices",
            "from",
        ];
        let of_item = self.place(item);
        let lists = FIELDS.iter().chain(&["to"]).filter_map(|field| {
            let peers = super::raw::items(self.raw.field(&of_item, field)?);
            let node = peers.get(index).filter(|_| peers.len() == of)?;
            Some((format!("{}.{field}[{index}]", of_item.field), node.span))
        });
        let found: Vec<_> = lists.collect();
        // Several lists in one item: which of them is meant cannot be told.
        let location = match found.as_slice() {
            [(field, span)] => Location { field: field.clone(), span: *span, ..of_item },
            _ => of_item,
        };
        self.at(location, said, None);
    }

    /// Whether so many more pairs are to be compared for the sake of a rule; if not, that is said once.
    pub(super) fn may_compare(&mut self, pairs: usize, id: &RuleId) -> bool {
        if let Some(rest) = self.budget.checked_sub(pairs) {
            self.budget = rest;
            return true;
        }
        let code = Code::Lint(Lint::TooManyToCompare);
        if self.findings.iter().all(|finding| finding.diagnostic.code != code) {
            let message =
                format!("more than {MOST_COMPARED} pairs of rules: from here on they are not compared");
            let help = "check the files in parts to find rules that others make void";
            self.rule(id, Said::note(Lint::TooManyToCompare, message, help));
        }
        false
    }

    /// Where a rule stands, or else what it is part of.
    pub(super) fn place(&self, id: &RuleId) -> Location {
        let mut name = id.as_str();
        loop {
            if let Some(location) = self.places.get(&RuleId::new(name)) {
                return location.clone();
            }
            match name.rsplit_once('/') {
                Some((parent, _)) => name = parent,
                None => break,
            }
        }
        let span = Span { start: 0, end: 0, place: Place { line: 1, column: 1 } };
        Location { file: String::new(), span, field: id.to_string() }
    }

    pub(super) fn at(&mut self, location: Location, said: Said, fix: Option<Fix>) {
        let Location { file, span, field } = location;
        let (severity, code) = (said.severity, Code::Lint(said.lint));
        let help = Some(said.help).filter(|help| !help.is_empty());
        let diagnostic = Diagnostic { severity, code, message: said.message, file, span, field, help };
        self.findings.push(Finding { diagnostic, fix });
    }
}
