//! The comparison: everyone with everyone, and what changes between them.

use std::collections::{BTreeMap, BTreeSet};

use postern_policy_core::identity::{Identity, IdentityId, Who};
use postern_policy_core::policy::{Direction, Policy};
use postern_policy_core::world::{Identities, World, WorldError};

use crate::ends::{Group, Interned, groups};
use crate::pairs::{Item, Pairs};
use crate::profile::Versions;
use crate::report::{Between, Change, End, Report, Undecided};
use crate::said;

/// One set of policies, and the world as it is with them: the inventory, the CIDR groups that stand beside
/// the policies, and the path profiles of its workloads.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The policies.
    pub policies: &'a [Policy],
    /// What exists.
    pub world: &'a World,
}

/// Why two sets cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// The inventory contradicts itself.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The worlds differ in more than CIDR groups and path profiles.
    #[error(
        "something else exists on the two sides: compare them within one inventory, which may differ in path profiles alone"
    )]
    Inventory,
}

/// What changes from `old` to `new`, for every workload of the inventory.
pub fn diff(old: Side<'_>, new: Side<'_>) -> Result<Report, DiffError> {
    let sides = [old, new];
    let identities = identities(&sides)?;
    let mut interned = Interned::default();
    let groups = groups(&sides, new.world, &identities, &mut interned);
    let mut comparison = Comparison { groups, interned, pairs: Pairs::new() };
    let found = comparison.compare();
    let all = |policies: &Group| policies.policies.map_or(0, |_| policies.members.len());
    let mut report = Report {
        workloads: comparison.groups.iter().map(all).sum(),
        pairs: found.pairs,
        ..Report::default()
    };
    for (item, pairs) in found.changes {
        let between = comparison.between(&pairs);
        let count = pairs.iter().map(|pair| comparison.count(*pair)).sum();
        let witness = match &item.what {
            Ok(what) => said::witness(&comparison, &pairs, &item, what),
            Err(open) => Err(open.clone()),
        };
        let Item { effect, what, ports } = item;
        match (what, witness) {
            (Ok(what), Ok(witness)) => {
                report.changes.push(Change { effect, what, ports, between, pairs: count, witness });
            }
            (_, Err(why)) | (Err(why), _) => {
                report.undecided.push(Undecided { effect, why, ports, between, pairs: count });
            }
        }
    }
    Ok(report)
}

/// One numbering for both sides: every prefix that either names is an identity of its own.
fn identities(sides: &Versions<Side<'_>>) -> Result<Identities, DiffError> {
    let policies: Vec<Policy> = sides.iter().flat_map(|side| side.policies).cloned().collect();
    let [old, new] = sides.each_ref().map(|side| side.world.identities(&policies));
    let (old, new) = (old?, new?);
    if sides[0].world.differs(sides[1].world) {
        return Err(DiffError::Inventory);
    }
    let prefixes: BTreeSet<Who> = old
        .iter()
        .chain(new.iter())
        .map(|identity| identity.who)
        .filter(|who| matches!(who, Who::Cidr(_)))
        .collect();
    let numbered = prefixes.into_iter().zip((IdentityId::FIRST_CIDR.0..).map(IdentityId));
    let others = new.iter().filter(|identity| !matches!(identity.who, Who::Cidr(_)));
    let others = others.map(|Identity { id, who }| (who, id));
    Ok(Identities::numbered(numbered.chain(others), new.addresses()))
}

/// Two ends, by the number of their group: who connects, and to whom.
pub(crate) type Pair = (usize, usize);

/// Everything that is compared.
pub(crate) struct Comparison {
    pub(crate) groups: Vec<Group>,
    pub(crate) interned: Interned,
    pairs: Pairs,
}

struct Found {
    changes: BTreeMap<Item, Vec<Pair>>,
    pairs: usize,
}

impl Comparison {
    fn compare(&mut self) -> Found {
        let mut found = Found { changes: BTreeMap::new(), pairs: 0 };
        let outward = self.profiles(Direction::Egress);
        let inward = self.profiles(Direction::Ingress);
        for (from, outward) in outward.iter().enumerate() {
            for (to, inward) in inward.iter().enumerate() {
                let count = self.count((from, to));
                let (Some(source), Some(destination)) = (outward.get(to), inward.get(from)) else { continue };
                if count == 0 {
                    continue;
                }
                found.pairs += count;
                for item in self.pairs.items([*source, *destination]).iter() {
                    found.changes.entry(item.clone()).or_default().push((from, to));
                }
            }
        }
        found
    }

    /// For each group what its policy of a direction says of each other group.
    fn profiles(&mut self, direction: Direction) -> Vec<Vec<usize>> {
        let Pairs { profiles, questions, .. } = &mut self.pairs;
        let mut table = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let policy = group.policies.map(|policies| policies.of(direction));
            let policy = policy.and_then(|number| Some((number, self.interned.get(number)?)));
            let of = |peer: &Group| match policy {
                Some((number, versions)) => profiles.of(number, versions, peer.identity, questions),
                None => profiles.open(),
            };
            table.push(self.groups.iter().map(of).collect());
        }
        table
    }

    /// How many pairs of ends two groups are: none where no policy of this cluster can speak of them.
    pub(crate) fn count(&self, (from, to): Pair) -> usize {
        let (Some(source), Some(destination)) = (self.groups.get(from), self.groups.get(to)) else {
            return 0;
        };
        let guarded = source.policies.is_some() || destination.policies.is_some();
        if !guarded || !source.families.meet(destination.families) {
            return 0;
        }
        let (sources, destinations) = (source.members.len(), destination.members.len());
        if from == to { sources * (sources - 1) } else { sources * destinations }
    }

    /// The same pairs, as few products of ends as there are when either side is taken together.
    fn between(&self, pairs: &[Pair]) -> Vec<Between> {
        let reversed: Vec<Pair> = pairs.iter().map(|(from, to)| (*to, *from)).collect();
        let (by_target, by_source) = (products(&reversed), products(pairs));
        let members = |groups: &BTreeSet<usize>| {
            let members = groups.iter().filter_map(|group| self.groups.get(*group));
            let mut members: Vec<End> = members.flat_map(|group| group.members.iter().cloned()).collect();
            members.sort();
            members
        };
        let between = |(from, to): (&BTreeSet<usize>, &BTreeSet<usize>)| Between {
            from: members(from),
            to: members(to),
        };
        let mut between: Vec<Between> = match by_target.len() < by_source.len() {
            true => by_target.iter().map(|(to, from)| between((from, to))).collect(),
            false => by_source.iter().map(|(from, to)| between((from, to))).collect(),
        };
        between.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        between
    }
}

/// Those of the first together that have the same seconds.
fn products(pairs: &[Pair]) -> Vec<(BTreeSet<usize>, BTreeSet<usize>)> {
    let mut of_each: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (first, second) in pairs {
        of_each.entry(*first).or_default().insert(*second);
    }
    let mut alike: BTreeMap<BTreeSet<usize>, BTreeSet<usize>> = BTreeMap::new();
    for (first, seconds) in of_each {
        alike.entry(seconds).or_default().insert(first);
    }
    alike.into_iter().map(|(seconds, firsts)| (firsts, seconds)).collect()
}
