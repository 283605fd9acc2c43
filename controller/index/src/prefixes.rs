//! The numbers of prefixes: each follows from the prefix alone, so that it is the same after every restart.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use postern_policy_core::identity::IdentityId;
use sha2::{Digest as _, Sha256};

/// How many numbers there are for prefixes: all from the first one on.
const SPAN: u64 = (1 << 32) - IdentityId::FIRST_CIDR.0 as u64;

/// The prefixes that have a number.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    numbers: BTreeMap<IpNet, u32>,
    taken: BTreeSet<u32>,
    /// Those that nobody names any more.
    unnamed: BTreeSet<IpNet>,
}

/// What became of prefixes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Those that have a number now.
    pub(crate) new: Vec<(IpNet, IdentityId)>,
    /// Those that have none any more.
    pub(crate) gone: Vec<IpNet>,
}

impl Prefixes {
    /// Numbers those of `named` that have no number yet. Those that were not among them last time either lose
    /// theirs where `may_forget` says that no node needs it any more.
    pub(crate) fn update(&mut self, named: &BTreeSet<IpNet>, may_forget: bool) -> Changed {
        let mut changed = Changed::default();
        self.unnamed.retain(|net| !named.contains(net));
        if may_forget {
            for net in std::mem::take(&mut self.unnamed) {
                if let Some(number) = self.numbers.remove(&net) {
                    self.taken.remove(&number);
                    changed.gone.push(net);
                }
            }
        }
        self.unnamed.extend(self.numbers.keys().filter(|net| !named.contains(net)));
        // Of two that would have the same number, the one that was there first keeps it; of two new ones, the lesser.
        for net in named {
            if self.numbers.contains_key(net) {
                continue;
            }
            // Out of numbers, it has none, and is nobody's peer. There is no memory for that many.
            let Some(number) = candidates(net).find(|number| !self.taken.contains(number)) else { break };
            self.taken.insert(number);
            self.numbers.insert(*net, number);
            changed.new.push((*net, IdentityId(number)));
        }
        changed
    }

    /// Every prefix with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpNet, IdentityId)> {
        self.numbers.iter().map(|(net, number)| (*net, IdentityId(*number)))
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// The numbers that a prefix may have, the one it should have first.
fn candidates(net: &IpNet) -> impl Iterator<Item = u32> {
    let digest = Sha256::digest(net.to_string());
    let start = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte)) % SPAN;
    (0..SPAN).filter_map(move |step| {
        let offset = u32::try_from((start + step) % SPAN).ok()?;
        IdentityId::FIRST_CIDR.0.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_number_follows_from_the_prefix() {
        let number = |text: &str| candidates(&text.parse().unwrap()).next().unwrap();
        // Nodes remember these over restarts and versions: they may never change.
        assert_eq!(number("0.0.0.0/0"), 2_629_498_834);
        assert_eq!(number("10.0.0.0/8"), 1_058_148_485);
        assert_eq!(number("2001:db8::/32"), 4_258_346_552);
    }

    #[test]
    fn the_earlier_one_keeps_its_number() {
        let net: IpNet = "10.0.0.0/8".parse().unwrap();
        let mut wanted = candidates(&net);
        let (first, second) = (wanted.next().unwrap(), wanted.next().unwrap());
        let mut prefixes = Prefixes { taken: BTreeSet::from([first]), ..Prefixes::default() };
        let changed = prefixes.update(&nets(&["10.0.0.0/8"]), true);
        assert_eq!(changed.new, [(net, IdentityId(second))]);
        // The number that it should have becomes free, and it keeps the one that it has.
        prefixes.taken.remove(&first);
        assert_eq!(prefixes.update(&nets(&["10.0.0.0/8"]), true), Changed::default());
        assert_eq!(prefixes.iter().collect::<Vec<_>>(), [(net, IdentityId(second))]);
    }

    #[test]
    fn one_that_nobody_names_is_forgotten_when_nobody_needs_it() {
        let mut prefixes = Prefixes::default();
        let one = nets(&["10.0.0.0/8"]);
        assert_eq!(prefixes.update(&one, true).new.len(), 1);
        assert_eq!(prefixes.update(&nets(&[]), true), Changed::default(), "only now its last policy goes");
        assert_eq!(prefixes.update(&nets(&[]), false), Changed::default());
        assert_eq!(prefixes.update(&one, true), Changed::default(), "it is named again");
        assert_eq!(prefixes.update(&nets(&[]), true), Changed::default());
        assert_eq!(prefixes.update(&nets(&[]), true).gone, one.into_iter().collect::<Vec<_>>());
        assert_eq!(prefixes.len(), 0);
    }
}
