//! Readers: many expressions, of which what they have in common is parsed once.
//!
//! A bundle has thousands of expressions that begin with a text and end alike, as `/svc00001/v[0-9]+` and
//! `/svc00002/v[0-9]+` do. Parsing is most of what loading one costs, so the text is set apart, and what is known about
//! an end is kept.

use std::collections::HashMap;
use std::sync::Arc;

use regex_syntax::ast::{Ast, visit};
use regex_syntax::hir::Look;

use super::shape::{self, Open, Parts, Shape};
use super::{
    LENGTH_LIMIT, Pattern, PatternError, SIZE_LIMIT, bound, dialect, parse_syntax, translate, verbatim,
};

/// Reads expressions as [`Pattern::parse`] does. What it has read helps with what comes next; it takes about as much memory
/// as the ends that differ.
#[derive(Default)]
pub struct Reader {
    whole: HashMap<Box<str>, Pattern>,
    /// The one of those that was read last.
    common: Option<Pattern>,
    ends: HashMap<Arc<str>, Arc<End>>,
    /// The one that was read last: expressions that end alike stand together.
    last: Option<(Arc<str>, Arc<End>)>,
}

/// What is known about the values that an expression matches, wherever it stands.
#[derive(Clone)]
pub(super) struct End {
    shape: Shape,
    /// No program of it is larger.
    bound: usize,
    /// Whether it means something else behind a text: it looks back, or has branches that a text would be part of.
    is_whole: bool,
}

impl Reader {
    /// Checks an expression such as those of methods and hosts, of which there are few: the same one is kept once.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn common(&mut self, source: &str) -> Result<Pattern, PatternError> {
        if let Some(last) = self.common.as_ref().filter(|last| last.as_str() == source) {
            return Ok(last.clone());
        }
        let pattern = match self.whole.get(source) {
            Some(known) => known.clone(),
            None => {
                let pattern = self.parse(source)?;
                self.whole.insert(source.into(), pattern.clone());
                pattern
            }
        };
        self.common = Some(pattern.clone());
        Ok(pattern)
    }

    /// Checks an expression.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse(&mut self, source: &str) -> Result<Pattern, PatternError> {
        if source.len() > LENGTH_LIMIT {
            return Err(PatternError::TooLong(source.len()));
        }
        let (text, rest) = source.split_at_checked(shape::text_before(source)).unwrap_or(("", source));
        if rest.is_empty() {
            return Ok(Pattern::new(source, Shape::Itself, None));
        }
        let end = match End::of_texts(rest) {
            Some(end) => end.behind(text),
            None => self.end(rest)?.behind(text),
        };
        match end {
            Some(end) => end.pattern(source),
            None => End::of(source)?.pattern(source),
        }
    }

    /// What is known about an end.
    fn end(&mut self, source: &str) -> Result<Arc<End>, PatternError> {
        if let Some((last, end)) = &self.last
            && **last == *source
        {
            return Ok(Arc::clone(end));
        }
        let (source, end) = match self.ends.get_key_value(source) {
            Some((source, end)) => (Arc::clone(source), Arc::clone(end)),
            None => {
                let (end, source) = (Arc::new(End::of(source)?), Arc::from(source));
                self.ends.insert(Arc::clone(&source), Arc::clone(&end));
                (source, end)
            }
        };
        self.last = Some((source, Arc::clone(&end)));
        Ok(end)
    }
}

impl End {
    fn of(source: &str) -> Result<Self, PatternError> {
        let ast = parse_syntax(source)?;
        visit(&ast, dialect::Dialect { source })?;
        let hir = translate(source, &ast)?;
        let looks = hir.properties().look_set();
        Ok(Self {
            shape: Shape::of(&hir, source.get(..verbatim(&ast)).unwrap_or_default()),
            bound: bound::program(&hir),
            is_whole: matches!(ast, Ast::Alternation(_)) || !looks.remove(Look::End).is_empty(),
        })
    }

    /// The same of texts with `.*` before, between or behind them, which nobody needs to parse.
    fn of_texts(source: &str) -> Option<Self> {
        let [b"", texts @ ..] = &*shape::texts(source)? else { return None };
        Some(Self {
            bound: bound::of_texts(source.len(), texts.len()),
            shape: Shape::Open(Open {
                prefix: Box::default(),
                prefix_is_whole: false,
                verbatim: 0,
                all_of: shape::longest(texts.to_vec()),
                one_of: Parts::default(),
            }),
            is_whole: false,
        })
    }

    /// The same behind a text; `None` where the two together are something else.
    fn behind(&self, text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(self.clone());
        }
        let join = |end: &[u8]| [text.as_bytes(), end].concat().into_boxed_slice();
        let shape = match &self.shape {
            _ if self.is_whole => return None,
            Shape::Itself => return None,
            Shape::Literal(end) => Shape::Literal(join(end)),
            Shape::Words(ends) => Shape::Words(ends.iter().map(|end| join(end)).collect()),
            Shape::Open(open) => Shape::Open(Open {
                prefix: join(&open.prefix),
                prefix_is_whole: open.prefix_is_whole,
                verbatim: text.len() + open.verbatim,
                all_of: Arc::clone(&open.all_of),
                one_of: Arc::clone(&open.one_of),
            }),
        };
        Some(Self { shape, bound: bound::behind(text.len(), self.bound), is_whole: false })
    }

    fn pattern(self, source: &str) -> Result<Pattern, PatternError> {
        // The bound is never too low. Where it is beyond the limit, compiling says whether the program is too.
        let is_text = matches!(self.shape, Shape::Literal(_));
        let compiled = match !is_text && self.bound > SIZE_LIMIT {
            true => Some(Pattern::compile(source)?),
            false => None,
        };
        Ok(Pattern::new(source, self.shape, compiled))
    }
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::Hir;

    use super::super::parse_checked;
    use super::*;

    /// What the whole expression says, parsed by itself.
    fn by_itself(source: &str) -> (Shape, Hir) {
        let hir = parse_checked(source).unwrap();
        let ast = parse_syntax(source).unwrap();
        (Shape::of(&hir, source.get(..verbatim(&ast)).unwrap()), hir)
    }

    #[test]
    fn an_end_behind_a_text_is_what_the_whole_is() {
        let texts = ["", "/", "/a", "/svc00001/", "/tenants/x"];
        let ends = [
            "",
            ".*",
            ".*.*",
            ".*/b/.*",
            ".*/bb/.*ccc/.*d",
            ".*b",
            "[0-9]+/x",
            "v[0-9]+/items/[a-z-]+/details",
            "(a|b)/c",
            "(alpha|beta).*",
            "a|b",
            "/x|/y.*",
            "^b",
            "b$",
            ".*$",
            "(b$|c)",
            "\\bb",
            ".?",
            "b?",
            "b*c",
            "(/.*)?",
            "(\\?.*)?",
            "[ab]",
            "b{2,3}",
            "\\.json",
            "[/?].*",
            "(?:x.*)?/zz",
            ".+/b",
            "(?i)B",
            "(?i:B)c.*",
            "é",
            "é.*",
            "!x.*",
            "$",
            "^",
            "(?:a|)?x",
        ];
        let mut reader = Reader::default();
        for text in texts.iter().chain(&texts) {
            for end in ends {
                let source = format!("{text}{end}");
                let pattern = reader.parse(&source).unwrap();
                let (shape, hir) = by_itself(&source);
                let wanted = if shape::is_plain(&source) { Shape::Itself } else { shape };
                assert_eq!(*pattern.shape(), wanted, "{source}");
                let (text, rest) = source.split_at(shape::text_before(&source));
                let known = End::of_texts(rest).unwrap_or_else(|| End::of(rest).unwrap()).behind(text);
                let bound = known.map(|end| end.bound);
                assert!(bound.is_none_or(|bound| bound >= bound::program(&hir)), "{source}: {bound:?}");
            }
        }
    }

    #[test]
    fn what_is_refused_is_refused_each_time() {
        let mut reader = Reader::default();
        for source in ["/a[", "/a(b", "/x[a&&b]", "/x{,3}y", "/y\\u0041"] {
            let first = reader.parse(source);
            assert!(first.is_err(), "{source}");
            assert_eq!(reader.common(source).err(), Pattern::parse(source).err(), "{source}");
            assert_eq!(reader.parse(source).err(), first.err(), "{source}");
        }
    }

    #[test]
    fn the_limit_of_the_size_holds_behind_a_text_too() {
        let mut reader = Reader::default();
        for text in ["/a/", "/b/"] {
            let error = reader.parse(&format!("{text}([a-z0-9]{{1,60}}x){{1,900}}")).err();
            assert_eq!(error, Some(PatternError::TooLarge));
        }
        // A long text with `.*` in it: its bound is beyond the limit, its program is not.
        let long = format!("/{}.*", "a".repeat(5_000));
        assert!(reader.parse(&long).unwrap().matches(long.as_bytes()));
    }
}
