//! Nodes: candidates, told apart by what is cheap to look up where there are many.

use super::entry::Method;
use super::hash::{Table, hash, index};
use super::search::Search;
use super::windows::{Counts, Window, Windows};
use crate::http::HttpMatch;
use crate::pattern::{Open, Pattern, Shape};

/// How many candidates are simply gone through.
const FEW: usize = 16;
/// How much of the start of a host is looked up.
const HOST_PREFIX: usize = 16;
/// The tag of a host as a whole, where prefixes have their length.
const WHOLE: u64 = u64::MAX;

/// Some of the entries of a port, in their order.
pub(super) enum Node {
    One(u32),
    Many(Box<[u32]>),
    Split(Box<Split>),
}

/// Entries by a field that tells them apart.
pub(super) struct Split {
    by: By,
    buckets: Table<Node>,
    /// For [`By::Inside`].
    inside: Option<Box<Windows>>,
    /// For [`By::Host`]: which lengths of prefixes there are, a bit each.
    lengths: u32,
    /// Those that match whatever the field is, or by an expression.
    rest: Option<Node>,
}

/// A field that entries are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A host, or how it begins.
    Host,
    Header,
    Peers,
    Method,
    /// A literal that the host contains.
    Inside,
}

impl By {
    const ALL: [Self; 5] = [Self::Host, Self::Header, Self::Peers, Self::Method, Self::Inside];
}

/// What is looked at to tell entries apart.
pub(super) struct Facts<'p> {
    pub(super) wanted: &'p HttpMatch,
    pub(super) group: Option<u32>,
    pub(super) method: Method,
}

impl Node {
    /// The entries with these numbers, which are in order.
    pub(super) fn new(entries: &[u32], facts: &[Facts<'_>]) -> Self {
        match entries {
            [one] => Self::One(*one),
            _ => Self::split(entries.to_vec(), facts, &By::ALL),
        }
    }

    fn split(entries: Vec<u32>, facts: &[Facts<'_>], fields: &[By]) -> Self {
        if let [one] = *entries {
            return Self::One(one);
        }
        if entries.len() <= FEW {
            return Self::Many(entries.into());
        }
        let mut best: Option<Way> = None;
        for by in fields {
            // Going through hosts takes longest, here and in a search.
            if *by == By::Inside && best.as_ref().is_some_and(|best| best.most() <= FEW) {
                continue;
            }
            best = best.into_iter().chain([Way::new(*by, &entries, facts)]).min_by_key(Way::most);
        }
        let best = best.filter(|way| way.most() <= entries.len() / 4 * 3);
        let Some(way) = best else { return Self::Many(entries.into()) };
        let left: Vec<By> = fields.iter().filter(|field| **field != way.by).copied().collect();
        let deeper = |entries: &[u32]| Self::split(entries.to_vec(), facts, &left);
        Self::Split(Box::new(Split {
            by: way.by,
            lengths: way.lengths,
            inside: (way.by == By::Inside).then(|| Box::new(Windows::new(&way.windows, &deeper))),
            rest: (!way.rest.is_empty()).then(|| deeper(&way.rest)),
            buckets: match way.by {
                By::Inside => Table::default(),
                _ => way.buckets.iter().map(|(key, entries)| (*key, deeper(entries))).collect(),
            },
        }))
    }

    /// Verifies those that may match and come before the best so far.
    pub(super) fn search(&self, search: &mut Search<'_, '_, '_>) {
        match self {
            Self::One(entry) => {
                search.verify(*entry);
            }
            Self::Many(entries) => {
                for entry in entries {
                    if !search.verify(*entry) {
                        break;
                    }
                }
            }
            Self::Split(split) => split.search(search),
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(entries) => size_of_val(&**entries),
            Self::Split(split) => {
                let deeper = split.buckets.values().chain(&split.rest).map(Self::memory).sum::<usize>();
                let inside = split.inside.as_ref().map_or(0, |it| size_of::<Windows>() + it.memory());
                inside + size_of::<Split>() + split.buckets.capacity() * (size_of::<Self>() + 9) + deeper
            }
        }
    }
}

impl Split {
    fn search(&self, search: &mut Search<'_, '_, '_>) {
        search.split = true;
        let ask = |key: u64, search: &mut Search<'_, '_, '_>| {
            if let Some(node) = self.buckets.get(&key) {
                node.search(search);
            }
        };
        let asked = search.asked;
        match self.by {
            By::Method => {
                if asked.method != 0 {
                    ask(u64::from(asked.method.trailing_zeros()), search);
                }
            }
            By::Peers => {
                for group in search.view.groups() {
                    ask(u64::from(group), search);
                }
            }
            By::Host => {
                if let Some(host) = asked.request.authority {
                    ask(hash(WHOLE, host), search);
                    for length in (1..=HOST_PREFIX).filter(|length| self.lengths >> length & 1 == 1) {
                        if let Some(start) = host.get(..length) {
                            ask(prefix_key(start), search);
                        }
                    }
                }
            }
            By::Inside => {
                // Going through a host costs what verifying a candidate does: one path may lead to many nodes.
                if let Some((host, inside)) = asked.request.authority.zip(self.inside.as_ref())
                    && search.work.candidate(host.len())
                {
                    inside.search(host, search);
                }
            }
            By::Header => {
                for (name, value) in &asked.request.headers {
                    let name = name_hash(name);
                    ask(name, search);
                    ask(hash(name, value), search);
                }
            }
        }
        if let Some(rest) = &self.rest {
            rest.search(search);
        }
    }
}

/// A way of telling some entries apart.
struct Way {
    by: By,
    buckets: Table<Vec<u32>>,
    /// For [`By::Inside`]: what leads to each bucket.
    windows: Vec<(Window, u32)>,
    lengths: u32,
    rest: Vec<u32>,
}

impl Way {
    fn new(by: By, entries: &[u32], facts: &[Facts<'_>]) -> Self {
        let (windows, rest) = (Vec::new(), Vec::new());
        let mut way = Self { by, buckets: Table::default(), windows, lengths: 0, rest };
        let mut counts = Counts::default();
        if by == By::Inside {
            let hosts = entries.iter().filter_map(|entry| facts.get(index(*entry))?.wanted.host.as_ref());
            hosts.flat_map(literals).for_each(|literal| counts.add(literal));
        }
        for entry in entries {
            let Some(facts) = facts.get(index(*entry)) else { continue };
            let keys = match (by, &facts.wanted.host) {
                (By::Inside, Some(host)) => way.windows_of(*entry, host, &counts),
                _ => way.keys(facts),
            };
            if keys.is_empty() {
                way.rest.push(*entry);
            }
            for key in keys {
                let bucket = way.buckets.entry(key).or_default();
                // Two hosts of one entry may share a prefix.
                if bucket.last() != Some(entry) {
                    bucket.push(*entry);
                }
            }
        }
        way
    }

    /// The most entries that a request may be left with, but for those with several headers or peer sets.
    fn most(&self) -> usize {
        self.rest.len() + self.buckets.values().map(Vec::len).max().unwrap_or(0)
    }

    /// An entry is in the bucket of each key; a request that it matches has one of them.
    fn keys(&mut self, facts: &Facts<'_>) -> Vec<u64> {
        match self.by {
            By::Method => match facts.method {
                Method::Bits(bits) => (0..32).filter(|bit| bits >> bit & 1 == 1).collect(),
                Method::Any | Method::Expression(_) => Vec::new(),
            },
            By::Peers => facts.group.into_iter().map(u64::from).collect(),
            By::Inside => Vec::new(),
            By::Host => facts.wanted.host.as_ref().map(|host| self.host_keys(host)).unwrap_or_default(),
            By::Header => {
                let headers = &facts.wanted.headers;
                let telling = headers.iter().find(|header| header.value.is_some()).or(headers.first());
                let key = telling.map(|header| {
                    let name = name_hash(header.name.as_bytes());
                    header.value.as_ref().map_or(name, |value| hash(name, value))
                });
                key.into_iter().collect()
            }
        }
    }

    fn host_keys(&mut self, host: &Pattern) -> Vec<u64> {
        if let Some(literal) = host.literal() {
            return vec![hash(WHOLE, literal)];
        }
        match host.shape() {
            Shape::Words(words) => words.iter().map(|word| hash(WHOLE, word)).collect(),
            Shape::Open(open) => {
                let start = open.prefix.get(..HOST_PREFIX).unwrap_or(&open.prefix);
                if start.is_empty() {
                    return Vec::new();
                }
                self.lengths |= 1 << start.len();
                vec![prefix_key(start)]
            }
            Shape::Itself | Shape::Literal(_) => Vec::new(),
        }
    }
}

impl Way {
    /// The rarest window that each host has which an entry asks for; of those that have one of several texts, that
    /// of each text.
    fn windows_of(&mut self, entry: u32, host: &Pattern, counts: &Counts) -> Vec<u64> {
        let rarest = |literals: &mut dyn Iterator<Item = &Box<[u8]>>| -> Option<Window> {
            let found = literals.filter_map(|literal| counts.rarest(literal));
            found.min_by_key(|(count, _)| *count).map(|(_, window)| window)
        };
        let each = |literals: &[Box<[u8]>]| -> Option<Vec<Window>> {
            literals.iter().map(|literal| rarest(&mut std::iter::once(literal))).collect()
        };
        let windows = match (host.literal(), host.shape()) {
            (Some(literal), _) => counts.rarest(literal).map(|(_, window)| vec![window]),
            (None, Shape::Words(words)) => each(words),
            (None, Shape::Open(open)) => match rarest(&mut all_of(open)) {
                Some(window) => Some(vec![window]),
                None => each(&open.one_of),
            },
            (None, Shape::Itself | Shape::Literal(_)) => None,
        };
        let windows = windows.unwrap_or_default();
        self.windows.extend(windows.iter().map(|window| (*window, entry)));
        windows.into_iter().map(|(_, key)| key).collect()
    }
}

/// What each host that matches contains.
fn all_of(open: &Open) -> impl Iterator<Item = &Box<[u8]>> {
    [&open.prefix].into_iter().chain(open.all_of.iter())
}

/// Every literal of a host's expression.
fn literals(host: &Pattern) -> Vec<&[u8]> {
    match (host.literal(), host.shape()) {
        (Some(literal), _) => vec![literal],
        (None, Shape::Words(words)) => words.iter().map(|word| &**word).collect(),
        (None, Shape::Open(open)) => {
            all_of(open).chain(open.one_of.iter()).map(|literal| &**literal).collect()
        }
        (None, Shape::Itself | Shape::Literal(_)) => Vec::new(),
    }
}

fn prefix_key(start: &[u8]) -> u64 {
    hash(u64::try_from(start.len()).unwrap_or(0), start)
}

/// Names are compared without regard to ASCII case.
fn name_hash(name: &[u8]) -> u64 {
    let mut buffer = [0_u8; 64];
    let mut key = 0;
    for part in name.chunks(buffer.len()) {
        for (to, from) in buffer.iter_mut().zip(part) {
            *to = from.to_ascii_lowercase();
        }
        key = hash(key, buffer.get(..part.len()).unwrap_or_default());
    }
    key
}
