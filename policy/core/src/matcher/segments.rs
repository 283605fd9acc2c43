//! Segments: the ranges of ports that no rule tells apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::hash::number;
use crate::endpoint::{Ports, Rule};
use crate::port::Protocol;

/// How many rules the segments list together, for each rule that there is. Beyond it, rules are gone through one by
/// one: only policies of many ranges that overlap each other get there.
const MOST_LISTED: usize = 16;

/// The segments of the ports of TCP: where each begins, and the rules that speak of it. Equal lists are one list.
pub(super) struct Segments {
    /// The first port and the list of each.
    pub(super) starts: Vec<(u16, Option<u32>)>,
    /// The rules of each list, in their order.
    pub(super) lists: Vec<Vec<u32>>,
}

impl Segments {
    pub(super) fn of(rules: &[Arc<Rule>]) -> Self {
        let mut begins: BTreeMap<u32, Vec<u32>> = BTreeMap::from([(0, Vec::new())]);
        let mut ends: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (rule, ports) in rules.iter().enumerate().map(|(index, rule)| (number(index), &rule.ports)) {
            for (first, last) in joined(ports) {
                begins.entry(first).or_default().push(rule);
                ends.entry(last + 1).or_default().push(rule);
            }
        }
        let borders: BTreeSet<u32> = begins.keys().chain(ends.keys()).copied().collect();
        let mut left = rules.len().saturating_mul(MOST_LISTED).saturating_add(1 << 16);
        let mut listed: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut segments = Self { starts: Vec::new(), lists: Vec::new() };
        let mut active: BTreeSet<u32> = BTreeSet::new();
        for border in borders {
            for rule in ends.get(&border).into_iter().flatten() {
                active.remove(rule);
            }
            active.extend(begins.get(&border).into_iter().flatten());
            // The end of the last range is behind the last port.
            let Ok(start) = u16::try_from(border) else { break };
            let list = left.checked_sub(active.len()).map(|rest| {
                left = rest;
                *listed.entry(active.iter().copied().collect()).or_insert_with_key(|list| {
                    segments.lists.push(list.clone());
                    number(segments.lists.len() - 1)
                })
            });
            segments.starts.push((start, list));
        }
        segments
    }
}

/// The ranges of TCP ports, those that touch or overlap as one.
fn joined(ports: &Ports) -> Vec<(u32, u32)> {
    let Ports::Only(ranges) = ports else { return vec![(0, u32::from(u16::MAX))] };
    let of_tcp =
        ranges.iter().filter(|range| range.protocol.means(Protocol::Tcp) && range.first <= range.last);
    let mut ranges: Vec<(u32, u32)> =
        of_tcp.map(|range| (u32::from(range.first), u32::from(range.last))).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}
