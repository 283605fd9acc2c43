//! Windows: which of many literals a path or a host contains.
//!
//! Of each literal, the eight (or four, or two) bytes that are the rarest among all of them are looked for at every
//! place of the value: one hash and one bit a place, whatever the number of literals.

use super::hash::{Table, hash};
use super::index::{group, memory};
use super::node::Node;
use super::search::Search;

/// How many bytes are looked for together.
const WIDTHS: [usize; 3] = [8, 4, 2];

/// The nodes of the literals of each width.
#[derive(Default)]
pub(super) struct Windows {
    widths: [Width; 3],
}

#[derive(Default)]
struct Width {
    /// Which hashes there may be, by their last bits.
    bits: Box<[u64]>,
    nodes: Table<Node>,
}

/// Counts the windows of literals, about: it may count too many.
pub(super) struct Frequencies(Box<[u16]>);

/// A window: which width, and its hash.
pub(super) type Window = (usize, u64);

impl Frequencies {
    pub(super) fn new() -> Self {
        Self(vec![0; 1 << 16].into())
    }

    pub(super) fn add(&mut self, literal: &[u8]) {
        for (_, key) in windows_of(literal) {
            if let Some(count) = self.0.get_mut(slot(key, 1 << 16)) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// The rarest window of a literal, and how often it was counted.
    pub(super) fn rarest(&self, literal: &[u8]) -> Option<(u16, Window)> {
        let counted = |window: Window| (self.0.get(slot(window.1, 1 << 16)).copied().unwrap_or(0), window);
        windows_of(literal).map(counted).min_by_key(|(count, _)| *count)
    }
}

/// Counts the windows of a few literals, exactly.
#[derive(Default)]
pub(super) struct Counts(Table<u32>);

impl Counts {
    pub(super) fn add(&mut self, literal: &[u8]) {
        for (_, key) in windows_of(literal) {
            *self.0.entry(key).or_default() += 1;
        }
    }

    /// The rarest window of a literal, and how often it was counted.
    pub(super) fn rarest(&self, literal: &[u8]) -> Option<(u32, Window)> {
        let counted = |window: Window| (self.0.get(&window.1).copied().unwrap_or(0), window);
        windows_of(literal).map(counted).min_by_key(|(count, _)| *count)
    }
}

/// Those of the widest width that fits.
fn windows_of(literal: &[u8]) -> impl Iterator<Item = Window> {
    let fitting = WIDTHS.iter().position(|width| *width <= literal.len());
    let width = fitting.and_then(|place| WIDTHS.get(place)).copied();
    let windows = width.map(|width| literal.windows(width));
    let place = fitting.unwrap_or(0);
    windows.into_iter().flatten().map(move |window| (place, key(window)))
}

fn key(window: &[u8]) -> u64 {
    match *window {
        [a, b, c, d, e, f, g, h] => word(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => hash(0, window),
    }
}

fn word(word: u64) -> u64 {
    let mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

fn slot(key: u64, size: usize) -> usize {
    usize::try_from(key & 0xffff_ffff).unwrap_or(0) & (size - 1)
}

impl Windows {
    /// Each window with an entry.
    pub(super) fn new(windows: &[(Window, u32)], node: &impl Fn(&[u32]) -> Node) -> Self {
        let mut all = Self::default();
        for (place, width) in all.widths.iter_mut().enumerate() {
            let of_width = windows.iter().filter(|((width, _), _)| *width == place);
            width.nodes = group(of_width.map(|((_, key), entry)| (*key, *entry)), node);
            if width.nodes.is_empty() {
                continue;
            }
            let size = (width.nodes.len() * 16).next_power_of_two().max(512);
            width.bits = vec![0; size / 64].into();
            for key in width.nodes.keys() {
                let slot = slot(*key, size);
                if let Some(bits) = width.bits.get_mut(slot / 64) {
                    *bits |= 1 << (slot % 64);
                }
            }
        }
        all
    }

    /// Searches the nodes of the literals that a value contains, each once.
    pub(super) fn search(&self, value: &[u8], search: &mut Search<'_, '_, '_>) {
        for (width, bytes) in self.widths.iter().zip(WIDTHS) {
            if !width.bits.is_empty() {
                width.search(value, bytes, search);
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        let of = |width: &Width| size_of_val(&*width.bits) + memory(&width.nodes);
        self.widths.iter().map(of).sum()
    }
}

impl Width {
    fn search(&self, path: &[u8], width: usize, search: &mut Search<'_, '_, '_>) {
        let size = self.bits.len() * 64;
        let mut seen = Seen::default();
        let mut look = |key: u64| {
            let slot = slot(key, size);
            let maybe = self.bits.get(slot / 64).is_some_and(|bits| bits >> (slot % 64) & 1 == 1);
            if maybe
                && let Some(node) = self.nodes.get(&key)
                && seen.insert(key)
            {
                node.search(search);
            }
        };
        match width {
            8 => path.array_windows::<8>().for_each(|window| look(word(u64::from_le_bytes(*window)))),
            _ => path.windows(width).for_each(|window| look(key(window))),
        }
    }
}

/// The windows that were found already: usually one or two.
#[derive(Default)]
struct Seen {
    few: [u64; 8],
    count: usize,
    more: std::collections::HashSet<u64>,
}

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, key: u64) -> bool {
        if self.few.iter().take(self.count).any(|known| *known == key) {
            return false;
        }
        match self.few.get_mut(self.count) {
            Some(slot) => {
                *slot = key;
                self.count += 1;
                true
            }
            None => self.more.insert(key),
        }
    }
}
