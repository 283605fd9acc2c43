//! Globs: texts with anything between them, which need no automaton.

use memchr::memmem;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::shape::{self, flat, inside_anchors};

/// An expression of texts and `.*` or `.+`: each text is looked for behind the one before it, at the first place
/// where it stands. A later place would leave less to the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    start: Box<[u8]>,
    /// The fewest bytes between it and what is before it, and the text.
    parts: Box<[(usize, Box<[u8]>)]>,
    /// The fewest bytes behind the last text; `None` where the value ends with it.
    rest: Option<usize>,
}

impl Glob {
    /// `None` where the expression is made of something else, too.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let items = flat(hir);
        let (mut texts, mut gaps) = (vec![Vec::new()], Vec::new());
        let mut gap = None;
        for item in inside_anchors(&items) {
            match (item.kind(), gap) {
                (HirKind::Literal(literal), None) => texts.last_mut()?.extend_from_slice(&literal.0),
                (HirKind::Literal(literal), Some(least)) => {
                    gaps.push(least);
                    texts.push(literal.0.to_vec());
                    gap = None;
                }
                _ => gap = Some(gap.unwrap_or(0) + anything(item)?),
            }
        }
        let mut texts = texts.into_iter().map(Vec::into_boxed_slice);
        Some(Self { start: texts.next()?, parts: gaps.into_iter().zip(texts).collect(), rest: gap })
    }

    /// The same of texts with `.*` between them, which nobody needs to parse.
    pub(super) fn of_texts(source: &str) -> Option<Self> {
        let texts = shape::texts(source)?;
        let (start, texts) = texts.split_first()?;
        let rest = texts.last()?.is_empty().then_some(0);
        let texts = texts.iter().filter(|text| !text.is_empty()).map(|text| (0, (*text).into()));
        Some(Self { start: (*start).into(), parts: texts.collect(), rest })
    }

    /// Whether `value` matches, in time linear in it.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        self.remainder(value).is_some()
    }

    fn remainder(&self, value: &[u8]) -> Option<()> {
        let mut value = value.strip_prefix(&*self.start)?;
        let mut parts = self.parts.iter();
        while let Some((gap, text)) = parts.next() {
            value = value.get(*gap..)?;
            if self.rest.is_none() && parts.len() == 0 {
                return value.ends_with(text).then_some(());
            }
            let place = memmem::find(value, text)?;
            value = value.get(place + text.len()..)?;
        }
        match self.rest {
            Some(least) => value.len() >= least,
            None => value.is_empty(),
        }
        .then_some(())
    }

    pub(super) fn memory(&self) -> usize {
        let parts = self.parts.iter().map(|(_, text)| text.len() + size_of::<(usize, Box<[u8]>)>());
        self.start.len() + parts.sum::<usize>()
    }
}

/// The fewest bytes that an item takes which is as many as there are of any bytes.
fn anything(item: &Hir) -> Option<usize> {
    let HirKind::Repetition(repetition) = item.kind() else { return None };
    let HirKind::Class(Class::Bytes(class)) = repetition.sub.kind() else { return None };
    let whole = matches!(class.ranges(), [all] if (all.start(), all.end()) == (0, u8::MAX));
    match repetition.max.is_none() && whole {
        true => usize::try_from(repetition.min).ok(),
        false => None,
    }
}
