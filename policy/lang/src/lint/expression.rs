//! Facts about expressions: what they could match at all.

use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{Class, Hir, HirKind};

use postern_policy_core::pattern::Pattern;

/// An expression that has been accepted, taken apart.
pub(super) struct Expression<'p> {
    source: &'p str,
    ast: Ast,
    hir: Hir,
}

impl<'p> Expression<'p> {
    pub(super) fn of(pattern: &'p Pattern) -> Option<Self> {
        Self::parse(pattern.as_str())
    }

    fn parse(source: &'p str) -> Option<Self> {
        let ast = ast::parse::Parser::new().parse(source).ok()?;
        let hir = regex_syntax::hir::translate::TranslatorBuilder::new()
            .utf8(false)
            .unicode(false)
            .dot_matches_new_line(true)
            .build()
            .translate(source, &ast)
            .ok()?;
        Some(Self { source, ast, hir })
    }

    /// The text that it stands for, where it stands for one alone.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        match self.hir.kind() {
            HirKind::Empty => Some(&[]),
            HirKind::Literal(literal) => Some(&literal.0),
            _ => None,
        }
    }

    /// Whether anything that it matches starts with this byte.
    pub(super) fn may_start_with(&self, byte: u8) -> bool {
        starts(&self.hir, byte).0
    }

    /// Whether anything that it matches has this byte in it.
    pub(super) fn may_contain(&self, byte: u8) -> bool {
        contains(&self.hir, byte)
    }

    /// Whether all that it matches has this byte in it.
    pub(super) fn must_contain(&self, byte: u8) -> bool {
        requires(&self.hir, byte)
    }

    /// Where its alternatives stand in its source: all of it where it has none.
    pub(super) fn alternatives(&self) -> Vec<(usize, &'p str)> {
        let mut ast = &self.ast;
        while let Ast::Group(group) = ast
            && group.flags().is_none_or(|flags| flags.items.is_empty())
        {
            ast = &group.ast;
        }
        let slice = |ast: &Ast| {
            let span = ast.span();
            Some((span.start.offset, self.source.get(span.start.offset..span.end.offset)?))
        };
        match ast {
            Ast::Alternation(alternation) => alternation.asts.iter().filter_map(slice).collect(),
            ast => slice(ast).into_iter().collect(),
        }
    }

    /// The dots that stand between the characters of a name, by offset.
    pub(super) fn dots_in_names(&self) -> Vec<usize> {
        let mut dots = Vec::new();
        collect_dots(&self.ast, &mut dots);
        dots.retain(|dot| self.is_in_name(*dot));
        dots
    }

    /// `example.com`, `v1.2`, `.*.example.com`: a word follows, and a word or what repeats one is before.
    fn is_in_name(&self, dot: usize) -> bool {
        let before = self.source.get(..dot).and_then(|text| text.chars().next_back());
        let after = self.source.get(dot + 1..).and_then(|text| text.chars().next());
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let closes = |c: char| word(c) || ")]*+}".contains(c);
        before.is_some_and(closes) && after.is_some_and(word)
    }

    /// The expression without the anchors around it, if it has any and something else.
    pub(super) fn without_anchors(&self) -> Option<String> {
        let Ast::Concat(concat) = &self.ast else { return None };
        let anchor = |ast: Option<&Ast>, wanted: ast::AssertionKind| matches!(ast, Some(Ast::Assertion(assertion)) if assertion.kind == wanted);
        let first = anchor(concat.asts.first(), ast::AssertionKind::StartLine);
        let last = anchor(concat.asts.last(), ast::AssertionKind::EndLine);
        let mut rest = self.source;
        if first {
            rest = rest.strip_prefix('^')?;
        }
        if last {
            rest = rest.strip_suffix('$')?;
        }
        let multi_line = self.source.contains("(?");
        ((first || last) && !rest.is_empty() && !multi_line).then(|| rest.to_owned())
    }

    /// The text before a final `.*`, where there is nothing else.
    fn open_prefix(&self) -> Option<&[u8]> {
        let HirKind::Concat(parts) = self.hir.kind() else { return None };
        let [first, last] = parts.as_slice() else { return None };
        let HirKind::Literal(literal) = first.kind() else { return None };
        let anything = Expression::parse(".*")?;
        (*last == anything.hir).then_some(&*literal.0)
    }
}

/// Whether `wide` matches all that `narrow` does. "No" is no proof.
pub(super) fn covers(wide: &Pattern, narrow: &Pattern) -> bool {
    if wide == narrow || wide.as_str() == ".*" {
        return true;
    }
    match (is_plain(wide.as_str()), is_plain(narrow.as_str())) {
        (true, _) => return false,
        (false, true) => return wide.matches(narrow.as_str().as_bytes()),
        (false, false) => {}
    }
    let (Some(known), Some(whole)) = (Expression::of(wide), Expression::of(narrow)) else { return false };
    let covered = |alternative: &Expression<'_>| match alternative.literal() {
        Some(literal) => wide.matches(literal),
        None => known.open_prefix().is_some_and(|prefix| leading_text(&alternative.hir).starts_with(prefix)),
    };
    // Flags reach over alternatives: such an expression is taken whole.
    if narrow.as_str().contains("(?") {
        return covered(&whole);
    }
    let alternatives = whole.alternatives();
    alternatives.into_iter().all(|(_, source)| alternative(source).is_some_and(|known| covered(&known)))
}

/// Whether every character stands for itself.
fn is_plain(source: &str) -> bool {
    !source.contains(|c: char| r"\.+*?()|[]{}^$".contains(c))
}

/// An alternative, by itself.
pub(super) fn alternative(source: &str) -> Option<Expression<'_>> {
    Expression::parse(source)
}

fn leading_text(hir: &Hir) -> &[u8] {
    match hir.kind() {
        HirKind::Literal(literal) => &literal.0,
        HirKind::Concat(parts) => parts.first().map_or(&[], leading_text),
        HirKind::Capture(capture) => leading_text(&capture.sub),
        _ => &[],
    }
}

fn collect_dots(ast: &Ast, dots: &mut Vec<usize>) {
    match ast {
        Ast::Dot(span) => dots.push(span.start.offset),
        Ast::Group(group) => collect_dots(&group.ast, dots),
        Ast::Concat(concat) => concat.asts.iter().for_each(|ast| collect_dots(ast, dots)),
        Ast::Alternation(alternation) => alternation.asts.iter().for_each(|ast| collect_dots(ast, dots)),
        // `.*` means what it says.
        Ast::Repetition(repetition) if matches!(*repetition.ast, Ast::Dot(_)) => {}
        Ast::Repetition(repetition) => collect_dots(&repetition.ast, dots),
        _ => {}
    }
}

/// Whether something matched starts with the byte, and whether the empty text is matched.
fn starts(hir: &Hir, byte: u8) -> (bool, bool) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => (false, true),
        HirKind::Literal(literal) => (literal.0.first() == Some(&byte), literal.0.is_empty()),
        HirKind::Class(class) => (in_class(class, byte), false),
        HirKind::Repetition(repetition) => {
            let (first, empty) = starts(&repetition.sub, byte);
            (first && repetition.max != Some(0), empty || repetition.min == 0)
        }
        HirKind::Capture(capture) => starts(&capture.sub, byte),
        HirKind::Concat(parts) => {
            let mut found = false;
            for part in parts {
                let (first, empty) = starts(part, byte);
                found |= first;
                if !empty {
                    return (found, false);
                }
            }
            (found, true)
        }
        HirKind::Alternation(parts) => parts.iter().fold((false, false), |(found, nothing), part| {
            let (first, empty) = starts(part, byte);
            (found || first, nothing || empty)
        }),
    }
}

fn contains(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Class(class) => in_class(class, byte),
        HirKind::Repetition(repetition) => repetition.max != Some(0) && contains(&repetition.sub, byte),
        HirKind::Capture(capture) => contains(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| contains(part, byte)),
    }
}

fn requires(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Repetition(repetition) => repetition.min > 0 && requires(&repetition.sub, byte),
        HirKind::Capture(capture) => requires(&capture.sub, byte),
        HirKind::Concat(parts) => parts.iter().any(|part| requires(part, byte)),
        HirKind::Alternation(parts) => parts.iter().all(|part| requires(part, byte)),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => false,
    }
}

fn in_class(class: &Class, byte: u8) -> bool {
    match class {
        Class::Bytes(bytes) => {
            bytes.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }
        Class::Unicode(chars) => {
            let c = char::from(byte);
            chars.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c))
        }
    }
}
