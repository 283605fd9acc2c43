//! Patterns: the expressions that paths, methods and hosts are matched against.

mod automaton;
mod bound;
mod dfa;
mod dialect;
mod glob;
mod lazy;
mod positions;
mod reader;
mod shape;

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex_syntax::ast::{self, Ast, visit};
use regex_syntax::hir::{Hir, Look};

pub(crate) use automaton::Automaton;
use lazy::Lazy;
pub use reader::Reader;
pub(crate) use shape::{Open, Shape, is_separator};

/// The most bytes an expression's program may take: what a rule may cost is fixed before it is loaded.
pub const SIZE_LIMIT: usize = 256 * 1024;
/// The longest expression, in bytes.
pub const LENGTH_LIMIT: usize = 8 * 1024;
/// How deep groups and repetitions may nest.
const NEST_LIMIT: u32 = 64;

/// A checked expression in RE2's dialect that matches a whole value, byte for byte and case-sensitively.
///
/// `.` stands for every byte, line feeds included: a value cannot dodge `.*` by carrying one. What RE2 and
/// this engine would read differently (such as `[a&&b]`) is refused, so that one policy means the same in
/// every proxy. Matching is linear in the value; memory is bounded by the limits of this module.
///
/// Syntax and size are checked when it is read; its automaton is made when it is first asked.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: Box<str>,
    shape: Shape,
    automaton: OnceLock<Option<Box<Automaton>>>,
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
    /// Checks an expression. Who has many of them uses a [`Reader`].
    ///
    /// # Errors
    /// When it is none, RE2 reads it differently, or it is too large.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        Reader::default().parse(source)
    }

    fn compile(source: &str) -> Result<Automaton, PatternError> {
        Ok(Automaton::Compiled(compile(parse_checked(source)?)?))
    }

    fn new(source: &str, shape: Shape, compiled: Option<Automaton>) -> Self {
        let automaton = compiled.map_or_else(OnceLock::new, |it| OnceLock::from(Some(Box::new(it))));
        Self(Arc::new(Inner { source: source.into(), shape, automaton }))
    }

    /// Whether the whole of `value` matches. An expression that could not be compiled matches nothing.
    pub fn matches(&self, value: &[u8]) -> bool {
        if let Some(text) = self.literal() {
            return text == value;
        }
        let automaton = self.0.automaton.get_or_init(|| Automaton::compile(&self.0.source).map(Box::new));
        automaton.as_ref().is_some_and(|automaton| automaton.matches(value))
    }

    /// The only value that matches, where there is just one.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match &self.0.shape {
            Shape::Itself => Some(self.0.source.as_bytes()),
            Shape::Literal(text) => Some(text),
            Shape::Words(_) | Shape::Open(_) => None,
        }
    }

    /// Whether values that match have a text by which a [policy set](crate::set::PolicySet) finds the rule. It holds every
    /// request against the rules that have none.
    pub fn has_text(&self) -> bool {
        let telling = |part: &[u8]| part.len() > 1;
        match &self.0.shape {
            Shape::Itself | Shape::Literal(_) | Shape::Words(_) => true,
            Shape::Open(open) => {
                let one_of = !open.one_of.is_empty() && open.one_of.iter().all(|part| telling(part));
                one_of || telling(&open.prefix) || open.all_of.iter().any(|part| telling(part))
            }
        }
    }

    /// What is known about the values that match.
    pub(crate) fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// The expression, anchored at both ends of a value, for who reasons about what it matches.
    ///
    /// It is translated as for matching: byte for byte, `.` for every byte.
    pub fn hir(&self) -> Result<Hir, PatternError> {
        parse_checked(&self.0.source).map(anchored)
    }

    /// The bytes that it takes, about.
    pub fn memory(&self) -> usize {
        let automaton = self.0.automaton.get().and_then(Option::as_ref).map_or(0, |it| it.memory());
        size_of::<Inner>() + self.0.source.len() + self.0.shape.memory() + automaton
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.source
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// The expression. Most of a path's is text, of which a parser makes a node for each character: it is given only what follows.
fn parse_checked(source: &str) -> Result<Hir, PatternError> {
    let (mut text, mut rest) = source.split_at_checked(shape::text_before(source)).unwrap_or(("", source));
    let mut ast = parse_syntax(rest)?;
    // A text in front of branches belongs to the first of them alone.
    if matches!(ast, Ast::Alternation(_)) && !text.is_empty() {
        (text, rest) = ("", source);
        ast = parse_syntax(source)?;
    }
    visit(&ast, dialect::Dialect { source: rest })?;
    Ok(Hir::concat(vec![Hir::literal(text.as_bytes()), translate(rest, &ast)?]))
}

/// A line feed is a byte like any other, and so is every byte that is not UTF-8.
fn translate(source: &str, ast: &Ast) -> Result<Hir, PatternError> {
    regex_syntax::hir::translate::TranslatorBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .translate(source, ast)
        .map_err(|error| PatternError::Syntax(error.kind().to_string()))
}

fn parse_syntax(source: &str) -> Result<Ast, PatternError> {
    let parsed = ast::parse::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(source);
    parsed.map_err(|error| PatternError::Syntax(error.kind().to_string()))
}

/// How many bytes an expression begins with that stand for themselves: what follows them is an expression of its own.
fn verbatim(ast: &Ast) -> usize {
    let own = |ast: &Ast| match ast {
        Ast::Literal(literal) if literal.kind == ast::LiteralKind::Verbatim => Some(literal.span.end.offset),
        _ => None,
    };
    match ast {
        Ast::Concat(concat) => concat.asts.iter().map_while(own).last().unwrap_or(0),
        _ => 0,
    }
}

/// Anchoring is part of the program: a search that finds the leftmost match and then compares its ends
/// would refuse `/ab` for `/a|/ab`.
fn compile(hir: Hir) -> Result<Box<Lazy>, PatternError> {
    Lazy::compile(&anchored(hir)).map(Box::new)
}

fn anchored(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}

#[cfg(test)]
mod tests;
