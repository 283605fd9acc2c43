//! Fixes: expressions written anew in place, where what is meant is certain.
//!
//! Only the characters of the value change. A fixed file is read again, and is used only if its policies are what
//! they were but for the expressions that were to change.

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_policy_core::http::{HttpMatcher, HttpRule};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::{Policy, PortSelector, RuleId};

use super::{Levels, Lint};
use crate::source::{SourceFile, Span};

/// How often a file is looked at again: one value may have several things wrong with it.
const ROUNDS: usize = 8;

/// One expression, written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The file.
    pub file: String,
    /// Where the value stands, quotes included.
    pub span: Span,
    /// The rule.
    pub rule: RuleId,
    /// Its field.
    pub field: HttpField,
    /// What the field shall say.
    pub to: String,
}

/// A field of an HTTP rule that is an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpField {
    /// `method`.
    Method,
    /// `path`.
    Path,
    /// `host`.
    Host,
}

impl HttpField {
    /// The name, as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Host => "host",
        }
    }
}

/// A file after its fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The text: as it was, where nothing could be fixed.
    pub text: String,
    /// What was fixed, and of which lint.
    pub applied: Vec<(Lint, Fix)>,
    /// What could not be, and why.
    pub refused: Vec<(Lint, Fix, Unfixable)>,
}

/// Why a fix was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfixable {
    /// The value is a block, or has escapes, or stands behind an alias.
    #[error("the value is not written on one line as it is: mend it by hand")]
    Form,
    /// Something else would change as well, as where an anchor is used twice.
    #[error("the file would then mean something else as well: mend it by hand")]
    Meaning,
}

/// Fixes what is found in one file and can be. A file with errors is left as it is.
pub fn fix(file: &SourceFile, levels: &Levels) -> Fixed {
    let mut fixed = Fixed { text: file.text.clone(), applied: Vec::new(), refused: Vec::new() };
    let mut given_up: BTreeSet<(RuleId, HttpField)> = BTreeSet::new();
    for _ in 0..ROUNDS {
        let current = SourceFile { name: file.name.clone(), text: fixed.text.clone() };
        let wanted = wanted(&current, levels, &given_up);
        if wanted.is_empty() {
            break;
        }
        let batch: Vec<&Fix> = wanted.iter().map(|(_, fix)| fix).collect();
        if let Ok(text) = apply(&current, &batch) {
            fixed.text = text;
            fixed.applied.extend(wanted);
            continue;
        }
        // One of them cannot be made: the others still can, one after another.
        let mut made = false;
        for (lint, fix) in wanted {
            match apply(&current, &[&fix]) {
                Ok(text) if !made => {
                    made = true;
                    fixed.text = text;
                    fixed.applied.push((lint, fix));
                }
                Ok(_) => {}
                Err(why) => {
                    given_up.insert((fix.rule.clone(), fix.field));
                    fixed.refused.push((lint, fix, why));
                }
            }
        }
    }
    fixed
}

/// The fixes of a file, one for each value.
fn wanted(file: &SourceFile, levels: &Levels, given_up: &BTreeSet<(RuleId, HttpField)>) -> Vec<(Lint, Fix)> {
    let files = std::slice::from_ref(file);
    let loaded = crate::load_policies(files);
    if loaded.has_errors() {
        return Vec::new();
    }
    let mut values = BTreeSet::new();
    super::lint(files, &loaded, None, levels)
        .into_iter()
        .filter_map(|finding| finding.diagnostic.code.lint().zip(finding.fix))
        .filter(|(_, fix)| !given_up.contains(&(fix.rule.clone(), fix.field)))
        .filter(|(_, fix)| values.insert(fix.span.start))
        .collect()
}

/// The text with these fixes in it, if it then means what it did but for them.
fn apply(file: &SourceFile, fixes: &[&Fix]) -> Result<String, Unfixable> {
    let mut fixes = fixes.to_vec();
    fixes.sort_by_key(|fix| fix.span.start);
    let before = crate::load_policies(std::slice::from_ref(file));
    let mut wanted = before.policies;
    let mut text = String::with_capacity(file.text.len());
    let mut rest = file.text.char_indices().map(|(offset, _)| offset).chain([file.text.len()]).enumerate();
    let mut byte_of = |character: usize| rest.find(|(index, _)| *index == character).map(|(_, byte)| byte);
    let mut copied = 0;
    for fix in &fixes {
        let start = byte_of(fix.span.start).ok_or(Unfixable::Form)?;
        let end = byte_of(fix.span.end).ok_or(Unfixable::Form)?;
        let from = replace(&mut wanted, fix).ok_or(Unfixable::Meaning)?;
        let written = file.text.get(start..end).ok_or(Unfixable::Form)?;
        text.push_str(file.text.get(copied..start).ok_or(Unfixable::Form)?);
        text.push_str(&rewrite(written, &from, &fix.to).ok_or(Unfixable::Form)?);
        copied = end;
    }
    text.push_str(file.text.get(copied..).ok_or(Unfixable::Form)?);
    let after = crate::load_policies(&[SourceFile { name: file.name.clone(), text: text.clone() }]);
    match !after.has_errors() && after.policies == wanted {
        true => Ok(text),
        false => Err(Unfixable::Meaning),
    }
}

/// A value in the quotes that it had.
fn rewrite(written: &str, from: &str, to: &str) -> Option<String> {
    if written == from {
        return Some(to.to_owned());
    }
    let inner = |quote: char| written.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(inner) = inner('\'') {
        return (inner.replace("''", "'") == from).then(|| format!("'{}'", to.replace('\'', "''")));
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    (inner('"')? == escaped(from)).then(|| format!("\"{}\"", escaped(to)))
}

/// Puts the new expression into the model, and returns the one that was there.
fn replace(policies: &mut [Policy], fix: &Fix) -> Option<String> {
    let to = Pattern::parse(&fix.to).ok()?;
    let of_rule = |policy: &&mut Policy| fix.rule.as_str().starts_with(policy.id.as_str());
    let sections =
        policies.iter_mut().filter(of_rule).flat_map(|policy| [&mut policy.ingress, &mut policy.egress]);
    for item in sections.flat_map(|section| &mut section.items) {
        let PortSelector::AnyOf(rules) = &mut item.ports else { continue };
        for list in rules.iter_mut().filter_map(|rule| rule.http.as_mut()) {
            let Some(index) = list.iter().position(|rule| rule.id == fix.rule) else { continue };
            let mut changed: Vec<HttpRule> = list.to_vec();
            let HttpMatcher::Active(matched) = &mut changed.get_mut(index)?.matcher else { return None };
            let field = match fix.field {
                HttpField::Method => &mut matched.method,
                HttpField::Path => &mut matched.path,
                HttpField::Host => &mut matched.host,
            };
            let from = field.replace(to)?.as_str().to_owned();
            *list = Arc::from(changed);
            return Some(from);
        }
    }
    None
}
