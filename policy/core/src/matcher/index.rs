//! Indexes: from a path to the entries that may match it.

use std::cell::OnceCell;
use std::collections::hash_map::Entry;

use super::hash::{Table, hash, number};
use super::node::{Facts, Node};
use super::search::Search;
use super::windows::{Frequencies, Window, Windows};
use crate::pattern::{Open, Shape, is_separator};

/// How many segments of the start of a path are looked up.
const DEEPEST: u32 = 16;
/// How many entries may share a start before a literal inside is looked for instead.
const FEW: u32 = 8;

/// Where the entries of a port are found. Whatever matches a request is found under one of its keys.
#[derive(Default)]
pub(super) struct Index {
    /// By the hash of the whole path.
    exact: Table<Node>,
    /// By the hash of the first segments, and how many segments that may be.
    starts: Table<Node>,
    depths: u32,
    /// By a literal that the path contains.
    windows: Windows,
    /// Entries that ask for no path.
    pathless: Option<Node>,
    /// Entries of which nothing is known.
    others: Option<Node>,
}

/// Where an entry is put.
enum Key {
    Exact(u64),
    Start(u32, u64),
    Window(Window),
    Pathless,
    Other,
}

impl Index {
    pub(super) fn new(facts: &[Facts<'_>]) -> Self {
        let counts = Counts::new(facts);
        let (mut exact, mut starts, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        let (mut pathless, mut others) = (Vec::new(), Vec::new());
        let mut depths = 0;
        for (place, facts) in facts.iter().enumerate() {
            let entry = number(place);
            counts.keys(place, facts, |key| match key {
                Key::Exact(key) => exact.push((key, entry)),
                Key::Start(depth, key) => {
                    depths |= 1 << depth;
                    starts.push((key, entry));
                }
                Key::Window(window) => windows.push((window, entry)),
                Key::Pathless => pathless.push(entry),
                Key::Other => others.push(entry),
            });
        }
        let shared = |entries: &[u32]| Node::new(entries, facts);
        let node = |entries: &[u32]| (!entries.is_empty()).then(|| shared(entries));
        Self {
            exact: group(exact.into_iter(), &shared),
            starts: group(starts.into_iter(), &shared),
            depths,
            windows: Windows::new(&windows, &shared),
            pathless: node(&pathless),
            others: node(&others),
        }
    }

    /// Searches every entry that may match.
    pub(super) fn search(&self, search: &mut Search<'_, '_, '_>) {
        if let Some(path) = search.asked.path {
            if !self.exact.is_empty()
                && let Some(node) = self.exact.get(&hash(0, path))
            {
                node.search(search);
            }
            if self.depths != 0 {
                starts(path, self.depths, |_, key| {
                    if let Some(node) = self.starts.get(&key) {
                        node.search(search);
                    }
                });
            }
            self.windows.search(path, search);
        }
        for node in self.pathless.iter().chain(&self.others) {
            node.search(search);
        }
    }

    pub(super) fn memory(&self) -> usize {
        let nodes = self.pathless.iter().chain(&self.others).map(Node::memory).sum::<usize>();
        memory(&self.exact) + memory(&self.starts) + self.windows.memory() + nodes
    }
}

/// Puts entries with the same key into one node. They come in their order; nearly every key has one entry.
pub(super) fn group(
    entries: impl Iterator<Item = (u64, u32)>,
    node: &impl Fn(&[u32]) -> Node,
) -> Table<Node> {
    let mut table = Table::with_capacity_and_hasher(entries.size_hint().0, Default::default());
    let mut shared: Table<Vec<u32>> = Table::default();
    for (key, entry) in entries {
        match table.entry(key) {
            Entry::Vacant(place) => drop(place.insert(Node::One(entry))),
            Entry::Occupied(place) => {
                let Node::One(first) = place.get() else { continue };
                let same = shared.entry(key).or_insert_with(|| vec![*first]);
                // An entry may have a key twice.
                if same.last() != Some(&entry) {
                    same.push(entry);
                }
            }
        }
    }
    table.extend(shared.into_iter().map(|(key, entries)| (key, node(&entries))));
    table.shrink_to_fit();
    table
}

/// The bytes that a table takes, about.
pub(super) fn memory(table: &Table<Node>) -> usize {
    table.capacity() * (size_of::<Node>() + 9) + table.values().map(Node::memory).sum::<usize>()
}

/// The hashes of the first segments of a path, up to each `/` or `?` and up to the end: one segment, two and so on,
/// as far as any of the wanted depths.
fn starts(path: &[u8], wanted: u32, mut found: impl FnMut(u32, u64)) {
    let deepest = wanted.checked_ilog2().unwrap_or(0);
    let (mut key, mut rest) = (0, path);
    for depth in 1..=deepest {
        let end = rest.iter().skip(1).position(|byte| is_separator(*byte)).map(|place| place + 1);
        let (segment, after) = end.and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, b""));
        key = hash(key, segment);
        if wanted >> depth & 1 == 1 {
            found(depth, key);
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
}

/// How many entries have each key, so that the most telling is taken.
struct Counts<'f, 'p> {
    facts: &'f [Facts<'p>],
    /// The start of each entry's path, where it has one, and how many have it.
    starts: Vec<Option<Start>>,
    sharing: Table<u32>,
    /// Counted where starts do not tell enough.
    literals: OnceCell<Frequencies>,
}

impl<'f, 'p> Counts<'f, 'p> {
    fn new(facts: &'f [Facts<'p>]) -> Self {
        let of = |facts| open(facts).and_then(|open| start(&open.prefix, open.prefix_is_whole));
        let starts: Vec<Option<Start>> = facts.iter().map(of).collect();
        let mut sharing = Table::with_capacity_and_hasher(starts.len(), Default::default());
        for (_, key) in starts.iter().flatten() {
            *sharing.entry(*key).or_default() += 1;
        }
        Self { facts, starts, sharing, literals: OnceCell::new() }
    }

    /// Shows every key of the entry at this place.
    fn keys(&self, place: usize, facts: &Facts<'_>, mut found: impl FnMut(Key)) {
        let Some(path) = &facts.wanted.path else { return found(Key::Pathless) };
        if let Some(literal) = path.literal() {
            return found(Key::Exact(hash(0, literal)));
        }
        let open = match path.shape() {
            Shape::Words(words) => return words.iter().for_each(|word| found(Key::Exact(hash(0, word)))),
            Shape::Open(open) => open,
            Shape::Itself | Shape::Literal(_) => return,
        };
        let start = self.starts.get(place).copied().flatten();
        let start = start.map(|(depth, key)| (self.sharing.get(&key).copied().unwrap_or(0), depth, key));
        let parts = [&open.prefix].into_iter().chain(open.all_of.iter());
        let rarest = || parts.filter_map(|part| self.literals().rarest(part)).min_by_key(|(count, _)| *count);
        match (start, rarest) {
            (Some((count, depth, key)), _) if count <= FEW => found(Key::Start(depth, key)),
            (start, rarest) => match (start, rarest()) {
                (Some((count, depth, key)), Some((other, _))) if count <= u32::from(other) => {
                    found(Key::Start(depth, key));
                }
                (_, Some((_, window))) => found(Key::Window(window)),
                (Some((_, depth, key)), None) => found(Key::Start(depth, key)),
                (None, None) => self.one_of(&open.one_of, found),
            },
        }
    }

    fn one_of(&self, parts: &[Box<[u8]>], found: impl FnMut(Key)) {
        let windows: Option<Vec<Key>> =
            parts.iter().map(|part| Some(Key::Window(self.literals().rarest(part)?.1))).collect();
        let windows = windows.filter(|windows| !windows.is_empty());
        windows.unwrap_or_else(|| vec![Key::Other]).into_iter().for_each(found);
    }

    fn literals(&self) -> &Frequencies {
        self.literals.get_or_init(|| {
            let mut literals = Frequencies::new();
            for open in self.facts.iter().filter_map(open) {
                let parts = [&open.prefix].into_iter().chain(open.all_of.iter()).chain(open.one_of.iter());
                parts.for_each(|part| literals.add(part));
            }
            literals
        })
    }
}

fn open<'p>(facts: &Facts<'p>) -> Option<&'p Open> {
    match facts.wanted.path.as_ref()?.shape() {
        Shape::Open(open) => Some(open),
        _ => None,
    }
}

/// How many segments, and their key.
type Start = (u32, u64);

/// The segments that every path with this prefix has.
fn start(prefix: &[u8], is_whole: bool) -> Option<Start> {
    let last = prefix.iter().rposition(|byte| is_separator(*byte)).filter(|place| *place > 0);
    let certain = match (is_whole && !prefix.is_empty(), last) {
        (true, _) => prefix,
        (false, Some(last)) => prefix.get(..last)?,
        (false, None) => return None,
    };
    let mut deepest = None;
    starts(certain, (2 << DEEPEST) - 2, |depth, key| deepest = Some((depth, key)));
    deepest
}
