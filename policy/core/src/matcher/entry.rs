//! Entries: one HTTP rule on one port, as it is verified.

use super::expressions::Collector;
use super::hash::{index, number};
use super::search::{Search, wanted};
use crate::bytes::{same, strip_prefix};
use crate::http::{Field, HttpMatch};
use crate::pattern::{Pattern, Shape};

/// The most methods that are told apart by a bit.
const MOST_METHODS: usize = 32;

/// An HTTP rule that is active. Its number is its place in the order in which rules are asked.
pub(super) struct Entry {
    /// The rule, and which of its HTTP rules.
    pub(super) rule: u32,
    pub(super) http: u32,
    /// The peers; `None` is everyone, always.
    pub(super) group: Option<u32>,
    pub(super) method: Method,
    path: Test,
    host: Test,
    /// Whether it asks for headers.
    pub(super) headers: bool,
}

/// What the method must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    Any,
    /// One of those with these bits.
    Bits(u32),
    Expression(u32),
}

/// What a value must be like.
#[derive(Clone, Copy)]
enum Test {
    Any,
    Literal(Text),
    /// This text, and then what the expression says.
    Expression(Text, u32),
}

/// A piece of the literals of a port.
#[derive(Clone, Copy)]
struct Text {
    start: u32,
    length: u32,
}

/// What the entries of a port share.
#[derive(Default)]
pub(super) struct Vocabulary {
    methods: Vec<Box<[u8]>>,
    text: Vec<u8>,
}

impl Vocabulary {
    /// The bit of a request's method; none where no rule names it.
    pub(super) fn method(&self, method: Option<&[u8]>) -> u32 {
        let place = method.and_then(|method| self.methods.iter().position(|known| **known == *method));
        place.map_or(0, |place| 1 << place)
    }

    fn methods(&mut self, pattern: &Pattern, collector: &mut Collector) -> Method {
        let one = pattern.literal().map(Into::into);
        let words = match (pattern.shape(), &one) {
            (Shape::Words(words), _) => words,
            (_, Some(one)) => std::slice::from_ref(one),
            _ => return Method::Expression(collector.add(pattern.as_str())),
        };
        let mut bits = 0;
        for word in words {
            let known = self.methods.iter().position(|known| known == word);
            let Some(place) = known.or_else(|| self.add_method(word)) else {
                return Method::Expression(collector.add(pattern.as_str()));
            };
            bits |= 1 << place;
        }
        Method::Bits(bits)
    }

    fn add_method(&mut self, word: &[u8]) -> Option<usize> {
        if self.methods.len() >= MOST_METHODS {
            return None;
        }
        self.methods.push(word.into());
        Some(self.methods.len() - 1)
    }

    fn test(&mut self, pattern: Option<&Pattern>, collector: &mut Collector) -> Test {
        let Some(pattern) = pattern else { return Test::Any };
        if let Some(literal) = pattern.literal() {
            return Test::Literal(self.text(literal));
        }
        let verbatim = match pattern.shape() {
            Shape::Open(open) => open.verbatim,
            _ => 0,
        };
        let (start, rest) = pattern.as_str().split_at_checked(verbatim).unwrap_or(("", pattern.as_str()));
        Test::Expression(self.text(start.as_bytes()), collector.add(rest))
    }

    fn text(&mut self, bytes: &[u8]) -> Text {
        let start = number(self.text.len());
        self.text.extend_from_slice(bytes);
        Text { start, length: number(bytes.len()) }
    }

    fn get(&self, text: Text) -> Option<&[u8]> {
        let start = index(text.start);
        self.text.get(start..start + index(text.length))
    }

    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
    }

    pub(super) fn memory(&self) -> usize {
        self.text.capacity() + self.methods.iter().map(|method| method.len() + 16).sum::<usize>()
    }
}

impl Entry {
    pub(super) fn new(
        (rule, http): (u32, u32),
        group: Option<u32>,
        wanted: &HttpMatch,
        vocabulary: &mut Vocabulary,
        collector: &mut Collector,
    ) -> Self {
        Self {
            rule,
            http,
            group,
            method: wanted
                .method
                .as_ref()
                .map_or(Method::Any, |pattern| vocabulary.methods(pattern, collector)),
            path: vocabulary.test(wanted.path.as_ref(), collector),
            host: vocabulary.test(wanted.host.as_ref(), collector),
            headers: !wanted.headers.is_empty(),
        }
    }

    /// Whether the request's method is one that is asked for.
    pub(super) fn has_method(&self, search: &mut Search<'_, '_, '_>) -> bool {
        match self.method {
            Method::Any => true,
            Method::Bits(bits) => bits & search.asked.method != 0,
            Method::Expression(id) => {
                search.asked.request.method.is_some_and(|method| search.expression(id, method))
            }
        }
    }

    /// As [`HttpMatch::check`]: field by field.
    pub(super) fn check(&self, search: &mut Search<'_, '_, '_>) -> Result<(), Field> {
        let asked = search.asked;
        if !self.has_method(search) {
            return Err(Field::Method);
        }
        if !self.path.check(asked.path, search) {
            return Err(Field::Path);
        }
        if !self.host.check(asked.request.authority, search) {
            return Err(Field::Host);
        }
        if !self.headers {
            return Ok(());
        }
        let Some(wanted) = wanted(search.policy, self) else { return Err(Field::Header(0)) };
        match wanted.headers.iter().position(|header| !header.matches(asked.request)) {
            Some(index) => Err(Field::Header(index)),
            None => Ok(()),
        }
    }
}

impl Test {
    /// An absent value is not an empty one.
    fn check(self, value: Option<&[u8]>, search: &mut Search<'_, '_, '_>) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(text) => {
                value.zip(search.vocabulary.get(text)).is_some_and(|(value, text)| same(value, text))
            }
            Self::Expression(text, id) => {
                let rest = value.zip(search.vocabulary.get(text)).and_then(|(v, text)| strip_prefix(v, text));
                rest.is_some_and(|rest| search.expression(id, rest))
            }
        }
    }
}
