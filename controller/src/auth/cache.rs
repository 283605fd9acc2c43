//! Tokens that the API server has vouched for lately. No clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a token counts without asking again.
const FRESH: Duration = Duration::from_secs(60);
/// How long it counts while nobody can be asked.
const KNOWN: Duration = Duration::from_secs(60 * 60);
/// How many are kept; a cluster of this many nodes and their proxies.
const MOST: usize = 16_384;

struct Entry {
    node: String,
    reviewed: Instant,
    expires: Option<Instant>,
}

impl Entry {
    fn counts(&self, now: Instant, within: Duration) -> bool {
        now.duration_since(self.reviewed) < within && self.expires.is_none_or(|expires| now < expires)
    }
}

/// The tokens.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<String, Entry>,
}

impl Cache {
    /// The node of a token that was vouched for a moment ago.
    pub(super) fn fresh(&self, token: &str, now: Instant) -> Option<String> {
        self.entries.get(token).filter(|entry| entry.counts(now, FRESH)).map(|entry| entry.node.clone())
    }

    /// The node of a token that was vouched for and has not ended, for when nobody can be asked.
    pub(super) fn known(&self, token: &str, now: Instant) -> Option<String> {
        self.entries.get(token).filter(|entry| entry.counts(now, KNOWN)).map(|entry| entry.node.clone())
    }

    pub(super) fn insert(&mut self, token: String, node: String, expires: Option<Instant>, now: Instant) {
        if self.entries.len() >= MOST {
            self.entries.retain(|_, entry| entry.counts(now, KNOWN));
        }
        if self.entries.len() < MOST {
            self.entries.insert(token, Entry { node, reviewed: now, expires });
        }
    }

    pub(super) fn remove(&mut self, token: &str) {
        self.entries.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_tokens_live_until_they_end() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.insert("t".to_owned(), "n1".to_owned(), Some(now + Duration::from_secs(600)), now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(cache.fresh("t", after(59)).as_deref(), Some("n1"));
        assert_eq!(cache.fresh("t", after(60)), None);
        assert_eq!(cache.known("t", after(599)).as_deref(), Some("n1"));
        assert_eq!(cache.known("t", after(600)), None);
        assert_eq!(cache.known("other", now), None);
        cache.remove("t");
        assert_eq!(cache.known("t", now), None);
    }
}
