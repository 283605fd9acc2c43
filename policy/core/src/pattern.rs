//! Patterns: the expressions that paths, methods and hosts are matched against.

use std::fmt;
use std::sync::Arc;

use regex_automata::meta;
use regex_automata::util::syntax;
use regex_syntax::ast::{self, Ast, visit};
use regex_syntax::hir::{Hir, HirKind, Look};

/// The most bytes an expression's program may take: what a rule may cost is fixed before it is loaded.
pub const SIZE_LIMIT: usize = 256 * 1024;
/// The longest expression, in bytes.
pub const LENGTH_LIMIT: usize = 8 * 1024;
/// How deep groups and repetitions may nest.
const NEST_LIMIT: u32 = 64;
/// The memory that matching one expression may use for its lazily built states.
const CACHE_LIMIT: usize = 64 * 1024;

/// A checked expression in RE2's dialect that matches a whole value, byte for byte and case-sensitively.
///
/// `.` stands for every byte, line feeds included: a value cannot dodge `.*` by carrying one. What RE2 and
/// this engine would read differently (such as `[a&&b]`) is refused, so that one policy means the same in
/// every proxy. Matching is linear in the value; memory is bounded by the limits of this module.
#[derive(Clone)]
pub struct Pattern {
    source: Arc<str>,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    /// The expression is plain text.
    Literal(Arc<[u8]>),
    Expression(Arc<meta::Regex>),
}

/// Why an expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not an expression, or uses what RE2 does not have.
    #[error("not a valid expression: {0}")]
    Syntax(String),
    /// RE2 reads it differently.
    #[error("{0} means something else in RE2: escape it with a backslash, or write it without")]
    Dialect(&'static str),
    /// It is longer than [`LENGTH_LIMIT`].
    #[error(
        "the expression has {0} bytes, more than the {LENGTH_LIMIT} allowed: split it into several rules"
    )]
    TooLong(usize),
    /// Its program is larger than [`SIZE_LIMIT`].
    #[error(
        "the expression needs more than {SIZE_LIMIT} bytes when compiled: lower its counted repetitions, or split it into several rules"
    )]
    TooLarge,
}

impl Pattern {
    /// Checks and compiles an expression.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        if source.len() > LENGTH_LIMIT {
            return Err(PatternError::TooLong(source.len()));
        }
        let hir = parse_checked(source)?;
        let matcher = match hir.kind() {
            HirKind::Empty => Matcher::Literal(Arc::from([])),
            HirKind::Literal(literal) => Matcher::Literal(Arc::from(&*literal.0)),
            _ => Matcher::Expression(Arc::new(compile(hir)?)),
        };
        Ok(Self { source: Arc::from(source), matcher })
    }

    /// Whether the whole of `value` matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Literal(literal) => **literal == *value,
            Matcher::Expression(regex) => regex.is_match(value),
        }
    }

    /// The expression, anchored at both ends of a value, for who reasons about what it matches.
    ///
    /// It is translated as for matching: byte for byte, `.` for every byte.
    pub fn hir(&self) -> Result<Hir, PatternError> {
        parse_checked(&self.source).map(anchored)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

fn parse_checked(source: &str) -> Result<Hir, PatternError> {
    let syntax = |error: regex_syntax::ast::Error| PatternError::Syntax(error.kind().to_string());
    let ast =
        ast::parse::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(source).map_err(syntax)?;
    visit(&ast, Dialect { source })?;
    // A line feed is a byte like any other, and so is every byte that is not UTF-8.
    let hir = regex_syntax::hir::translate::TranslatorBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .translate(source, &ast)
        .map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
    Ok(hir)
}

/// Anchoring is part of the program: a search that finds the leftmost match and then compares its ends
/// would refuse `/ab` for `/a|/ab`.
fn compile(hir: Hir) -> Result<meta::Regex, PatternError> {
    let whole = anchored(hir);
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(SIZE_LIMIT))
        .hybrid_cache_capacity(CACHE_LIMIT);
    meta::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false).unicode(false))
        .build_from_hir(&whole)
        .map_err(|_| PatternError::TooLarge)
}

fn anchored(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}

/// Finds what parses here but means something else in RE2, or nothing.
struct Dialect<'s> {
    source: &'s str,
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

#[cfg(test)]
mod tests;
