//! Connections that wait for the next request, by who may use them.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A connection that requests can be sent on, one after the other.
pub(super) trait Reusable {
    /// Whether it has ended.
    fn is_closed(&self) -> bool;
    /// Whether the next request can be sent on it.
    fn is_ready(&self) -> bool;
}

/// Unused connections. However many keys there are, together they keep no more than `most`.
#[derive(Debug)]
pub(super) struct Unused<K, C> {
    /// No entry is empty.
    by_key: HashMap<K, Entry<C>>,
    count: usize,
    most: usize,
    longest: Duration,
}

#[derive(Debug)]
struct Entry<C> {
    used: Instant,
    /// The latest used at the back.
    connections: VecDeque<(Instant, C)>,
}

impl<K: Hash + Eq + Clone, C: Reusable> Unused<K, C> {
    /// Keeps at most `most` connections (one at least), each for at most `longest`.
    pub(super) fn new(most: usize, longest: Duration) -> Self {
        Self { by_key: HashMap::new(), count: 0, most: most.max(1), longest }
    }

    /// The connection of `key` that was used last. One that still writes the rest of a request is left alone.
    pub(super) fn take(&mut self, key: &K, now: Instant) -> Option<C> {
        let entry = self.by_key.get_mut(key)?;
        entry.used = now;
        let before = entry.connections.len();
        entry.connections.retain(|(_, connection)| !connection.is_closed());
        let ready = entry.connections.iter().rposition(|(_, connection)| connection.is_ready());
        let taken = ready.and_then(|ready| entry.connections.remove(ready));
        self.count -= before - entry.connections.len();
        if entry.connections.is_empty() {
            self.by_key.remove(key);
        }
        taken.map(|(_, connection)| connection)
    }

    /// Keeps a connection for the next request of `key`.
    pub(super) fn put(&mut self, key: &K, connection: C, now: Instant) {
        if connection.is_closed() {
            return;
        }
        while self.count >= self.most && self.drop_one() {}
        let entry = match self.by_key.get_mut(key) {
            Some(entry) => entry,
            None => {
                let entry = Entry { used: now, connections: VecDeque::new() };
                self.by_key.entry(key.clone()).or_insert(entry)
            }
        };
        entry.used = now;
        entry.connections.push_back((now, connection));
        self.count += 1;
    }

    /// Drops what has ended or was unused for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let longest = self.longest;
        let keep = |since: Instant, connection: &C| {
            !connection.is_closed() && now.saturating_duration_since(since) <= longest
        };
        self.by_key.retain(|_, entry| {
            entry.connections.retain(|(since, connection)| keep(*since, connection));
            !entry.connections.is_empty()
        });
        self.count = self.by_key.values().map(|entry| entry.connections.len()).sum();
    }

    /// Drops the oldest connection of the key that was used the longest time ago. `most` bounds the search.
    fn drop_one(&mut self) -> bool {
        let oldest = self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
        let Some(key) = oldest else { return false };
        if let Some(entry) = self.by_key.get_mut(&key) {
            self.count -= usize::from(entry.connections.pop_front().is_some());
            if entry.connections.is_empty() {
                self.by_key.remove(&key);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
