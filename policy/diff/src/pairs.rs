//! Pairs: what changes between two ends, port by port, at both ends taken together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::budget::Open;
use crate::profile::{Profile, Profiles, Segment};
use crate::question::Questions;
use crate::report::{Effect, PortSpan, What};

/// Something that changes, or that could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) effect: Effect,
    pub(crate) what: Result<What, Open>,
    pub(crate) ports: Vec<PortSpan>,
}

/// Finds what changes, for each two profiles once.
#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) profiles: Profiles,
    pub(crate) questions: Questions,
    known: HashMap<[usize; 2], Arc<[Item]>>,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self { profiles: Profiles::default(), questions: Questions::new(), known: HashMap::new() }
    }

    /// What changes where the source has the one profile and the destination the other.
    pub(crate) fn items(&mut self, ends: [usize; 2]) -> Arc<[Item]> {
        if let Some(known) = self.known.get(&ends) {
            return known.clone();
        }
        let profiles = ends.map(|number| self.profiles.get(number).cloned().unwrap_or_default());
        let items: Arc<[Item]> = self.compare(&profiles).into();
        self.known.insert(ends, items.clone());
        items
    }

    fn compare(&mut self, profiles: &[Profile; 2]) -> Vec<Item> {
        if profiles
            .iter()
            .all(|profile| profile.iter().all(|segment| segment.allowed[0] == segment.allowed[1]))
        {
            return Vec::new();
        }
        let mut found: BTreeMap<(Effect, Result<What, Open>), Vec<PortSpan>> = BTreeMap::new();
        for (ports, [source, destination]) in overlaps(profiles) {
            let old = [source.allowed[0], destination.allowed[0]];
            let new = [source.allowed[1], destination.allowed[1]];
            for (effect, ends, others) in [(Effect::Gained, new, old), (Effect::Lost, old, new)] {
                let difference = self.questions.beyond(ends, others);
                let mut add = |what| append(found.entry((effect, what)).or_default(), ports);
                if difference.everything {
                    add(Ok(What::Everything));
                }
                if difference.not_http {
                    add(Ok(What::NotHttp));
                }
                for sample in &difference.requests {
                    add(Ok(What::Requests { sample: sample.clone(), more: difference.more }));
                }
                if let Some(open) = &difference.open {
                    add(Err(open.clone()));
                }
            }
        }
        found.into_iter().map(|((effect, what), ports)| Item { effect, what, ports }).collect()
    }
}

/// Adds ports behind those there are.
fn append(spans: &mut Vec<PortSpan>, ports: PortSpan) {
    match spans.last_mut() {
        Some(last) if last.protocol == ports.protocol && last.last.checked_add(1) == Some(ports.first) => {
            last.last = ports.last;
        }
        _ => spans.push(ports),
    }
}

/// Both profiles cover the same ports in the same order, but are cut at different ones.
fn overlaps(profiles: &[Profile; 2]) -> Vec<(PortSpan, [&Segment; 2])> {
    let [mut left, mut right] = profiles.each_ref().map(|profile| profile.iter().peekable());
    let mut overlaps = Vec::new();
    while let (Some(one), Some(two)) = (left.peek().copied(), right.peek().copied()) {
        let protocol = one.ports.protocol;
        let (first, last) = (one.ports.first.max(two.ports.first), one.ports.last.min(two.ports.last));
        if protocol == two.ports.protocol && first <= last {
            overlaps.push((PortSpan { protocol, first, last }, [one, two]));
        }
        let key = |segment: &Segment| (segment.ports.protocol, segment.ports.last);
        if key(one) <= key(two) {
            left.next();
        }
        if key(two) <= key(one) {
            right.next();
        }
    }
    overlaps
}
