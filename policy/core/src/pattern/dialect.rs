//! The dialect: what parses here but means something else in RE2.

use regex_syntax::ast::{self, Ast};

use super::PatternError;

/// Finds what parses here but means something else in RE2, or nothing.
pub(super) struct Dialect<'s> {
    pub(super) source: &'s str,
}

impl ast::Visitor for Dialect<'_> {
    type Output = ();
    type Err = PatternError;

    fn finish(self) -> Result<(), PatternError> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), PatternError> {
        match ast {
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::WordBoundaryStart
                | ast::AssertionKind::WordBoundaryEnd
                | ast::AssertionKind::WordBoundaryStartAngle
                | ast::AssertionKind::WordBoundaryEndAngle
                | ast::AssertionKind::WordBoundaryStartHalf
                | ast::AssertionKind::WordBoundaryEndHalf => {
                    Err(PatternError::Dialect("a one-sided word boundary"))
                }
                _ => Ok(()),
            },
            Ast::Flags(set) => check_flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), check_flags),
            Ast::Literal(literal) => check_literal(literal),
            Ast::Repetition(repetition) => self.check_repetition(repetition),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), PatternError> {
        Err(PatternError::Dialect("a class operation (`&&`, `--` or `~~` inside brackets)"))
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), PatternError> {
        match item {
            ast::ClassSetItem::Bracketed(_) => Err(PatternError::Dialect("a class inside a class")),
            ast::ClassSetItem::Literal(literal) => check_literal(literal),
            ast::ClassSetItem::Range(range) => check_literal(&range.start).and(check_literal(&range.end)),
            _ => Ok(()),
        }
    }
}

fn check_flags(flags: &ast::Flags) -> Result<(), PatternError> {
    let foreign = |item: &ast::FlagsItem| {
        matches!(
            item.kind,
            ast::FlagsItemKind::Flag(ast::Flag::IgnoreWhitespace | ast::Flag::CRLF | ast::Flag::Unicode)
        )
    };
    match flags.items.iter().any(foreign) {
        true => Err(PatternError::Dialect("one of the flags x, R and u")),
        false => Ok(()),
    }
}

fn check_literal(literal: &ast::Literal) -> Result<(), PatternError> {
    match literal.kind {
        ast::LiteralKind::HexFixed(ast::HexLiteralKind::X)
        | ast::LiteralKind::HexBrace(ast::HexLiteralKind::X) => {
            // A byte here, a character of two bytes there.
            if literal.c.is_ascii() {
                Ok(())
            } else {
                Err(PatternError::Dialect("an escaped byte from \\x80 on"))
            }
        }
        ast::LiteralKind::HexFixed(_) | ast::LiteralKind::HexBrace(_) => {
            Err(PatternError::Dialect("`\\u` or `\\U`"))
        }
        _ => Ok(()),
    }
}

impl Dialect<'_> {
    fn check_repetition(&self, repetition: &ast::Repetition) -> Result<(), PatternError> {
        if matches!(*repetition.ast, Ast::Repetition(_)) {
            return Err(PatternError::Dialect("a repetition of a repetition without a group"));
        }
        let ast::RepetitionKind::Range(range) = &repetition.op.kind else { return Ok(()) };
        let (canonical, most) = match range {
            ast::RepetitionRange::Exactly(n) => (format!("{{{n}}}"), *n),
            ast::RepetitionRange::AtLeast(n) => (format!("{{{n},}}"), *n),
            ast::RepetitionRange::Bounded(n, m) => (format!("{{{n},{m}}}"), *m),
        };
        let span = &repetition.op.span;
        let written = self.source.get(span.start.offset..span.end.offset).unwrap_or_default();
        // RE2 reads `a{,3}` and `a{ 2 }` as text, and counts to 1000.
        match written.trim_end_matches('?') == canonical && most <= 1000 {
            true => Ok(()),
            false => Err(PatternError::Dialect(
                "a repetition that is not {n}, {n,} or {n,m} with numbers up to 1000",
            )),
        }
    }
}
