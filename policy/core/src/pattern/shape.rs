//! Shapes: what is known about the values that an expression matches, without matching it.
//!
//! All of it errs on one side: a value that matches always has the shape.

use std::sync::Arc;

use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look};

/// The most values that are listed for one expression.
const MOST_WORDS: usize = 16;
/// The most literals that are kept for one expression.
const MOST_PARTS: usize = 4;
/// How much of a literal is looked at.
const LONGEST_PART: usize = 128;

/// What every value that matches is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It is the expression's own text.
    Itself,
    /// It is this.
    Literal(Box<[u8]>),
    /// It is one of these.
    Words(Box<[Box<[u8]>]>),
    /// It is not among a few.
    Open(Open),
}

/// The shape of expressions that match more than a few values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// What it starts with.
    pub(crate) prefix: Box<[u8]>,
    /// Whether the prefix is all of it, or `/` or `?` comes next.
    pub(crate) prefix_is_whole: bool,
    /// How many bytes of the expression stand for themselves and are not part of the rest, which is an
    /// expression of its own.
    pub(crate) verbatim: usize,
    /// It contains each of these, in this order, the prefix not among them.
    pub(crate) all_of: Parts,
    /// It contains one of these, where there are any.
    pub(crate) one_of: Parts,
}

/// Some literals. Expressions that end alike share them.
pub(crate) type Parts = Arc<[Box<[u8]>]>;

/// Whether an expression is text that no dialect gives another meaning.
pub(super) fn is_plain(source: &str) -> bool {
    source.bytes().all(is_text)
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_-=:,%@~".contains(&byte)
}

/// How many bytes an expression begins with that are text, whatever follows them: not the one that is repeated.
pub(super) fn text_before(source: &str) -> usize {
    let end = source.bytes().position(|byte| !is_text(byte)).unwrap_or(source.len());
    match source.as_bytes().get(end) {
        Some(b'*' | b'+' | b'?' | b'{') => end.saturating_sub(1),
        _ => end,
    }
}

/// The texts of an expression that has nothing but `.*` before, between and behind them: first the one that it begins
/// with, last the one that it ends with, both of which may be empty.
pub(super) fn texts(source: &str) -> Option<Vec<&[u8]>> {
    // Most have something else, and are not cut for nothing.
    if !source.bytes().all(|byte| is_text(byte) || b".*".contains(&byte)) {
        return None;
    }
    source.split(".*").map(|text| is_plain(text).then_some(text.as_bytes())).collect()
}

impl Shape {
    pub(super) fn of(hir: &Hir, verbatim: &str) -> Self {
        let inner = flat(hir);
        let inner = inside_anchors(&inner);
        if let Some(mut words) = words(inner) {
            words.sort();
            words.dedup();
            return match <[Vec<u8>; 1]>::try_from(words) {
                Ok([word]) => Self::Literal(word.into()),
                Err(words) => Self::Words(words.into_iter().map(Into::into).collect()),
            };
        }
        let literals = inner.iter().take_while(|item| literal(item).is_some()).count();
        let (start, rest) = inner.split_at_checked(literals).unwrap_or_default();
        let prefix: Vec<u8> = start.iter().filter_map(|item| literal(item)).flatten().copied().collect();
        let mut next = First { nullable: true, ..First::default() };
        for item in rest {
            next.then(&First::of(item));
        }
        // What looks back would see the start of the rest where there is text before it.
        let looks = hir.properties().look_set();
        let is_apart = looks.remove(Look::End).is_empty();
        let one_of = rest.iter().filter_map(|item| one_of(item));
        Self::Open(Open {
            prefix_is_whole: next.only_separators(),
            verbatim: if is_apart && prefix.starts_with(verbatim.as_bytes()) { verbatim.len() } else { 0 },
            prefix: prefix.into(),
            all_of: parts(rest),
            // The most telling is the one whose shortest literal is the longest.
            one_of: one_of
                .max_by_key(|all| all.iter().map(Vec::len).min())
                .into_iter()
                .flatten()
                .map(Into::into)
                .collect(),
        })
    }

    pub(super) fn memory(&self) -> usize {
        let sum = |list: &[Box<[u8]>]| list.iter().map(|it| it.len() + size_of::<Box<[u8]>>()).sum::<usize>();
        match self {
            Self::Itself => 0,
            Self::Literal(text) => text.len(),
            Self::Words(words) => sum(words),
            Self::Open(open) => open.prefix.len() + sum(&open.all_of) + sum(&open.one_of),
        }
    }
}

fn literal<'h>(hir: &&'h Hir) -> Option<&'h [u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        _ => None,
    }
}

/// What comes one after another, without groups.
pub(super) fn flat(hir: &Hir) -> Vec<&Hir> {
    match hir.kind() {
        HirKind::Empty => Vec::new(),
        HirKind::Capture(capture) => flat(&capture.sub),
        HirKind::Concat(items) => items.iter().flat_map(flat).collect(),
        _ => vec![hir],
    }
}

/// Values are matched from end to end anyway.
pub(super) fn inside_anchors<'i, 'h>(mut items: &'i [&'h Hir]) -> &'i [&'h Hir] {
    let is = |hir: &Hir, look: Look| matches!(hir.kind(), HirKind::Look(found) if *found == look);
    while let [first, rest @ ..] = items {
        if !is(first, Look::Start) {
            break;
        }
        items = rest;
    }
    while let [rest @ .., last] = items {
        if !is(last, Look::End) {
            break;
        }
        items = rest;
    }
    items
}

/// Every value that matches, if there are few.
fn words(items: &[&Hir]) -> Option<Vec<Vec<u8>>> {
    let mut words = vec![Vec::new()];
    for item in items {
        let more = match item.kind() {
            HirKind::Empty => continue,
            HirKind::Literal(literal) => {
                for word in &mut words {
                    word.extend_from_slice(&literal.0);
                }
                continue;
            }
            HirKind::Class(Class::Bytes(class)) => members(class)?,
            HirKind::Repetition(repetition) if (repetition.min, repetition.max) == (0, Some(1)) => {
                let mut more = self::words(&flat(&repetition.sub))?;
                more.push(Vec::new());
                more
            }
            HirKind::Alternation(branches) => {
                let mut all = Vec::new();
                for branch in branches {
                    all.extend(self::words(&flat(branch))?);
                    if all.len() > MOST_WORDS {
                        return None;
                    }
                }
                all
            }
            _ => return None,
        };
        if words.len() * more.len() > MOST_WORDS {
            return None;
        }
        words = words.iter().flat_map(|word| more.iter().map(move |end| [&**word, end].concat())).collect();
    }
    Some(words)
}

fn members(class: &ClassBytes) -> Option<Vec<Vec<u8>>> {
    let count: usize = class.ranges().iter().map(|range| usize::from(range.end() - range.start()) + 1).sum();
    let bytes = || class.ranges().iter().flat_map(|range| range.start()..=range.end());
    (count <= MOST_WORDS).then(|| bytes().map(|byte| vec![byte]).collect())
}

/// The literals that are in every value, the longest of them.
fn parts(items: &[&Hir]) -> Parts {
    let mut parts: Vec<&[u8]> = Vec::new();
    collect(items, &mut parts);
    longest(parts)
}

/// The longest of some literals, as much of each as is looked at.
pub(super) fn longest(mut parts: Vec<&[u8]>) -> Parts {
    parts.retain(|part| part.len() > 1);
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.truncate(MOST_PARTS);
    parts.into_iter().map(|part| part.get(..LONGEST_PART).unwrap_or(part).into()).collect()
}

fn collect<'h>(items: &[&'h Hir], parts: &mut Vec<&'h [u8]>) {
    for item in items {
        match item.kind() {
            HirKind::Literal(literal) => parts.push(&literal.0),
            HirKind::Repetition(repetition) if repetition.min > 0 => collect(&flat(&repetition.sub), parts),
            _ => {}
        }
    }
}

/// Literals of which one is in every value.
fn one_of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let HirKind::Alternation(branches) = hir.kind() else { return None };
    if branches.len() > MOST_WORDS {
        return None;
    }
    let longest = |branch: &Hir| parts(&flat(branch)).first().map(|part| part.to_vec());
    branches.iter().map(longest).collect()
}

/// What a value may go on with.
#[derive(Default)]
struct First {
    separators: bool,
    others: bool,
    nullable: bool,
}

impl First {
    fn of(hir: &Hir) -> Self {
        let byte =
            |byte: u8| Self { separators: is_separator(byte), others: !is_separator(byte), nullable: false };
        match hir.kind() {
            HirKind::Empty => Self { nullable: true, ..Self::default() },
            HirKind::Literal(literal) => literal.0.first().map_or_else(Self::anything, |first| byte(*first)),
            HirKind::Class(Class::Bytes(class)) => {
                let mut first = Self::default();
                for range in class.ranges() {
                    let separators = (range.start()..=range.end()).filter(|byte| is_separator(*byte)).count();
                    let all = usize::from(range.end() - range.start()) + 1;
                    first.separators |= separators > 0;
                    first.others |= separators < all;
                }
                first
            }
            HirKind::Repetition(repetition) => {
                let mut first = Self::of(&repetition.sub);
                first.nullable |= repetition.min == 0;
                first
            }
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Concat(items) => {
                let mut first = Self { nullable: true, ..Self::default() };
                for item in items {
                    first.then(&Self::of(item));
                }
                first
            }
            HirKind::Alternation(branches) => {
                let mut first = Self::default();
                for branch in branches {
                    let other = Self::of(branch);
                    first.separators |= other.separators;
                    first.others |= other.others;
                    first.nullable |= other.nullable;
                }
                first
            }
            HirKind::Look(_) | HirKind::Class(Class::Unicode(_)) => Self::anything(),
        }
    }

    fn anything() -> Self {
        Self { separators: true, others: true, nullable: true }
    }

    /// What comes first in what this is followed by `next`.
    fn then(&mut self, next: &Self) {
        if self.nullable {
            self.separators |= next.separators;
            self.others |= next.others;
            self.nullable = next.nullable;
        }
    }

    fn only_separators(&self) -> bool {
        !self.others
    }
}

/// What ends a segment of a path.
pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'?')
}
