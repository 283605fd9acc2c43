//! Positions: an expression as the places in it that stand for one byte each, and which may follow which.
//!
//! Glushkov's construction, with a set of places as one number: it takes a microsecond where the library's
//! general way takes fifty, and it has no states that blow up.

use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look};

/// The most places: the bits of a [`Set`].
const MOST: usize = 128;
/// How many parts are gone through, so that repetitions of nothing are not repeated for long.
const MOST_STEPS: usize = 2048;

/// A set of places.
pub(crate) type Set = u128;

/// An expression that matches a whole value.
pub(crate) struct Positions {
    /// Where a value may begin.
    pub(super) first: Set,
    /// Where it may end.
    pub(super) last: Set,
    /// Whether it may be empty.
    pub(super) nullable: bool,
    /// What may come after each place.
    pub(super) follow: Vec<Set>,
    /// Places of `.*` that every value passes: see [`Positions::after`].
    gates: Set,
    /// What kind each byte is of.
    pub(super) classes: Box<[u8; 256]>,
    /// The places that each kind of bytes stands at.
    pub(super) members: Vec<Set>,
}

/// A part of an expression.
#[derive(Clone, Copy)]
struct Part {
    first: Set,
    last: Set,
    nullable: bool,
}

impl Part {
    const EMPTY: Self = Self { first: 0, last: 0, nullable: true };

    fn optional(self) -> Self {
        Self { nullable: true, ..self }
    }
}

impl Positions {
    /// `None` where it has too many places, or looks around itself.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let mut builder = Builder::default();
        let part = builder.whole(hir)?;
        let (classes, members) = builder.classes();
        let Part { first, last, nullable } = part;
        let gates = builder.gates;
        let first = behind_gates(first, gates);
        Some(Self { first, last, nullable, follow: builder.follow, gates, classes, members })
    }

    /// What may come after any of these places. Where one is a `.*` that every value passes, what is before it is
    /// left out: whatever could still come there, the `.*` takes as well.
    pub(super) fn after(&self, mut places: Set) -> Set {
        let mut next = 0;
        while places != 0 {
            let place = usize::try_from(places.trailing_zeros()).unwrap_or(0);
            next |= self.follow.get(place).copied().unwrap_or(0);
            places &= places - 1;
        }
        behind_gates(next, self.gates)
    }

    /// Goes from place to place.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let (mut next, mut accepted) = (self.first, self.nullable);
        for byte in value {
            let class = self.classes.get(usize::from(*byte)).copied().unwrap_or(0);
            let hit = next & self.members.get(usize::from(class)).copied().unwrap_or(0);
            if hit == 0 {
                return false;
            }
            accepted = hit & self.last != 0;
            next = self.after(hit);
        }
        accepted
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + 256 + (self.follow.len() + self.members.len()) * size_of::<Set>()
    }
}

/// Places are numbered from left to right.
fn behind_gates(next: Set, gates: Set) -> Set {
    match (next & gates).checked_ilog2() {
        Some(gate) => next >> gate << gate,
        None => next,
    }
}

#[derive(Default)]
struct Builder {
    follow: Vec<Set>,
    gates: Set,
    /// The bytes of each place.
    ranges: Vec<Vec<(u8, u8)>>,
    steps: usize,
}

impl Builder {
    /// Anchors at the very ends say nothing: the whole value is matched anyway.
    fn whole(&mut self, hir: &Hir) -> Option<Part> {
        let items = match hir.kind() {
            HirKind::Concat(items) => items.as_slice(),
            _ => std::slice::from_ref(hir),
        };
        let is = |hir: &Hir, look: Look| matches!(hir.kind(), HirKind::Look(found) if *found == look);
        let mut items = items;
        if let [first, rest @ ..] = items
            && is(first, Look::Start)
        {
            items = rest;
        }
        if let [rest @ .., last] = items
            && is(last, Look::End)
        {
            items = rest;
        }
        let mut whole = Part::EMPTY;
        for item in items {
            let next = self.part(item)?;
            if takes_anything(item) {
                self.gates |= next.first;
            }
            whole = self.then(whole, next);
        }
        Some(whole)
    }

    fn part(&mut self, hir: &Hir) -> Option<Part> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return None;
        }
        match hir.kind() {
            HirKind::Empty => Some(Part::EMPTY),
            HirKind::Literal(literal) => {
                let mut whole = Part::EMPTY;
                for byte in &literal.0 {
                    let next = self.place(vec![(*byte, *byte)])?;
                    whole = self.then(whole, next);
                }
                Some(whole)
            }
            HirKind::Class(Class::Bytes(class)) => self.place(ranges(class)),
            // Alternatives of one letter each come as such a class, whatever the dialect.
            HirKind::Class(Class::Unicode(class)) => self.place(ranges(&class.to_byte_class()?)),
            HirKind::Look(_) => None,
            HirKind::Capture(capture) => self.part(&capture.sub),
            HirKind::Concat(items) => self.concat(items),
            HirKind::Alternation(branches) => {
                let mut whole = Part { nullable: false, ..Part::EMPTY };
                for branch in branches {
                    let branch = self.part(branch)?;
                    whole.first |= branch.first;
                    whole.last |= branch.last;
                    whole.nullable |= branch.nullable;
                }
                Some(whole)
            }
            HirKind::Repetition(repetition) => {
                self.repetition(&repetition.sub, repetition.min, repetition.max)
            }
        }
    }

    fn concat(&mut self, items: &[Hir]) -> Option<Part> {
        let mut whole = Part::EMPTY;
        for item in items {
            let next = self.part(item)?;
            whole = self.then(whole, next);
        }
        Some(whole)
    }

    /// Each time is a part of its own: `x{2,4}` is `x x x? x?`, `x{2,}` is `x x+`.
    fn repetition(&mut self, sub: &Hir, min: u32, max: Option<u32>) -> Option<Part> {
        let mut whole = Part::EMPTY;
        let fixed = if max.is_none() { min.saturating_sub(1) } else { min };
        for _ in 0..fixed {
            let next = self.part(sub)?;
            whole = self.then(whole, next);
        }
        let Some(max) = max else {
            let last = self.part(sub)?;
            self.link(last.last, last.first);
            let last = if min == 0 { last.optional() } else { last };
            return Some(self.then(whole, last));
        };
        for _ in min..max {
            let next = self.part(sub)?.optional();
            whole = self.then(whole, next);
        }
        Some(whole)
    }

    fn place(&mut self, ranges: Vec<(u8, u8)>) -> Option<Part> {
        let index = self.follow.len();
        if index >= MOST {
            return None;
        }
        self.follow.push(0);
        self.ranges.push(ranges);
        let place = 1 << index;
        Some(Part { first: place, last: place, nullable: false })
    }

    fn then(&mut self, left: Part, right: Part) -> Part {
        self.link(left.last, right.first);
        Part {
            first: if left.nullable { left.first | right.first } else { left.first },
            last: if right.nullable { left.last | right.last } else { right.last },
            nullable: left.nullable && right.nullable,
        }
    }

    fn link(&mut self, from: Set, to: Set) {
        let mut from = from;
        while from != 0 {
            let place = usize::try_from(from.trailing_zeros()).unwrap_or(0);
            if let Some(follow) = self.follow.get_mut(place) {
                *follow |= to;
            }
            from &= from - 1;
        }
    }

    /// Bytes that no place tells apart are of one kind.
    fn classes(&self) -> (Box<[u8; 256]>, Vec<Set>) {
        let mut begins = [false; 257];
        let mut mark = |at: usize| {
            if let Some(begins) = begins.get_mut(at) {
                *begins = true;
            }
        };
        for (start, end) in self.ranges.iter().flatten() {
            mark(usize::from(*start));
            mark(usize::from(*end) + 1);
        }
        let mut classes = Box::new([0_u8; 256]);
        let mut class = 0_u8;
        for (index, (slot, begins)) in classes.iter_mut().zip(begins).enumerate() {
            if index > 0 && begins {
                class = class.saturating_add(1);
            }
            *slot = class;
        }
        let mut members: Vec<Set> = vec![0; usize::from(class) + 1];
        for (place, (start, end)) in
            self.ranges.iter().enumerate().flat_map(|(place, ranges)| ranges.iter().map(move |r| (place, r)))
        {
            let of = |byte: u8| classes.get(usize::from(byte)).copied().map_or(0, usize::from);
            for members in members.get_mut(of(*start)..=of(*end)).into_iter().flatten() {
                *members |= 1 << place;
            }
        }
        // What is between the bytes that are named is mostly of one kind.
        let mut kinds: Vec<Set> = Vec::with_capacity(members.len());
        let kind_of = |members: &Set| {
            let known = kinds.iter().position(|known| known == members);
            let kind = known.unwrap_or_else(|| {
                kinds.push(*members);
                kinds.len() - 1
            });
            u8::try_from(kind).unwrap_or(0)
        };
        let of_class: Vec<u8> = members.iter().map(kind_of).collect();
        for slot in classes.iter_mut() {
            *slot = of_class.get(usize::from(*slot)).copied().unwrap_or(0);
        }
        (classes, kinds)
    }
}

/// `.*` or `.+`, in a group or not.
fn takes_anything(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => takes_anything(&capture.sub),
        HirKind::Repetition(repetition) if repetition.max.is_none() && repetition.min <= 1 => {
            let any = |class: &ClassBytes| ranges(class) == [(0, 255)];
            matches!(repetition.sub.kind(), HirKind::Class(Class::Bytes(class)) if any(class))
        }
        _ => false,
    }
}

fn ranges(class: &ClassBytes) -> Vec<(u8, u8)> {
    class.ranges().iter().map(|range| (range.start(), range.end())).collect()
}
