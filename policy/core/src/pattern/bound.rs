//! The size that an expression's program has at most.

use regex_syntax::hir::{Class, Dot, Hir, HirKind};

/// More than any state of a program takes by itself; the library's have 24 to 32 bytes.
const STATE: usize = 64;
/// More than what one way out of a state takes.
const EDGE: usize = 16;

/// A number of bytes that the program of an expression, forwards or backwards, does not exceed.
pub(super) fn program(hir: &Hir) -> usize {
    size(hir).saturating_add(16 * STATE)
}

/// The same of texts of that many bytes together, with `.*` so often before, between or behind them.
pub(super) fn of_texts(bytes: usize, gaps: usize) -> usize {
    let gap = size(&Hir::dot(Dot::AnyByte)).saturating_add(3 * STATE + 2 * EDGE);
    bytes.saturating_mul(STATE).saturating_add(gaps.saturating_mul(gap)).saturating_add(32 * STATE)
}

/// The same of what has a text of that many bytes before it.
pub(super) fn behind(text: usize, bound: usize) -> usize {
    text.saturating_mul(STATE).saturating_add(bound).saturating_add(4 * STATE)
}

fn size(hir: &Hir) -> usize {
    let sum = |items: &[Hir]| items.iter().map(size).fold(STATE, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => STATE,
        HirKind::Literal(literal) => literal.0.len() * STATE + STATE,
        HirKind::Class(Class::Bytes(class)) => STATE + class.ranges().len() * EDGE,
        // Unicode is off, but alternatives of one letter each come as such a class. Of others, compiling tells.
        HirKind::Class(Class::Unicode(class)) if class.is_ascii() => STATE + class.ranges().len() * EDGE,
        HirKind::Class(Class::Unicode(_)) => usize::MAX,
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            let each = size(&repetition.sub).saturating_add(2 * (STATE + EDGE));
            usize::try_from(copies).map_or(usize::MAX, |copies| copies.saturating_mul(each))
        }
        HirKind::Capture(capture) => size(&capture.sub).saturating_add(2 * STATE),
        HirKind::Concat(items) => sum(items),
        HirKind::Alternation(items) => sum(items).saturating_add(items.len() * (STATE + EDGE)),
    }
}
