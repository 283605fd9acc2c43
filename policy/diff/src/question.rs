//! One question: what passes two ends now that did not before.

use std::collections::HashMap;
use std::sync::Arc;

use postern_policy_core::path::Profile;

use crate::allowed::{self, Allowances, Allowed, AllowedId, Matched};
use crate::automata::Automata;
use crate::budget::{Budget, Open, REQUESTS};
use crate::confirm;
use crate::region::Region;
use crate::witness::{Sample, Shapes, Shown};

/// What each of two ends lets pass. An end without a policy lets everything pass.
pub(crate) type Ends = [AllowedId; 2];

/// What passes by one policy and not by another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Whether nothing passed, and everything does.
    pub(crate) everything: bool,
    /// Whether what is not HTTP is among it.
    pub(crate) not_http: bool,
    /// Requests among it, one for each rule that has any.
    pub(crate) requests: Vec<Sample>,
    /// Whether there are more of them.
    pub(crate) more: bool,
    /// What could not be decided.
    pub(crate) open: Option<Open>,
}

impl Difference {
    /// Whether no more is listed; then that there is more is said.
    fn is_full(&mut self) -> bool {
        self.more |= self.requests.len() >= REQUESTS;
        self.more
    }

    fn add(&mut self, sample: Sample) {
        if !self.requests.contains(&sample) {
            self.requests.push(sample);
        }
    }
}

/// Where it matters how paths are read: in any of some regions, as far as none of some rules matches.
struct Read {
    within: Vec<Region>,
    outside: Vec<Matched>,
}

/// What finds a request of a region that is confirmed.
type Show = fn(&Shapes, &Region, &mut Automata, &mut Budget, &dyn Fn(&Sample) -> bool) -> Result<Shown, Open>;

/// Asks, and remembers the answers.
#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) allowances: Allowances,
    pub(crate) automata: Automata,
    shapes: Shapes,
    budget: Budget,
    known: HashMap<(Ends, Ends), Arc<Difference>>,
}

impl Questions {
    pub(crate) fn new() -> Self {
        let mut automata = Automata::default();
        let shapes = Shapes::new(&mut automata);
        let (allowances, budget) = (Allowances::default(), Budget::new());
        Self { allowances, automata, shapes, budget, known: HashMap::new() }
    }

    /// What passes both of `ends` and not both of `others`.
    pub(crate) fn beyond(&mut self, ends: Ends, others: Ends) -> Arc<Difference> {
        let (ends, others) = (sorted(ends), sorted(others));
        if let Some(known) = self.known.get(&(ends, others)) {
            return known.clone();
        }
        self.budget.renew();
        let found = Arc::new(self.difference(ends, others));
        self.known.insert((ends, others), found.clone());
        found
    }

    fn difference(&mut self, ends: Ends, others: Ends) -> Difference {
        let closed = |ends: Ends| ends.contains(&AllowedId::NOTHING);
        if ends == others || closed(ends) {
            return Difference::default();
        }
        let open = |ends: Ends| ends.iter().all(|id| *self.allowances.get(*id) == Allowed::Everything);
        let (all, all_of_others) = (open(ends), open(others));
        if all && closed(others) {
            return Difference { everything: true, ..Difference::default() };
        }
        let mut difference = Difference { not_http: all && !all_of_others, ..Difference::default() };
        let policies = |ends: Ends| ends.map(|id| confirm::policy(&self.allowances, id, &self.automata));
        let (now, before) = (policies(ends), policies(others));
        let confirmed = |sample: &Sample| confirm::passes(&now, sample) && !confirm::passes(&before, sample);
        let mut ask = || {
            if !all_of_others {
                self.requests(ends, others, &confirmed, &mut difference)?;
            }
            self.read_otherwise(ends, others, &confirmed, &mut difference)
        };
        if let Err(open) = ask() {
            difference.open = Some(open);
        }
        difference
    }

    /// Requests that these rules match and those do not.
    fn requests(
        &mut self,
        ends: Ends,
        others: Ends,
        confirmed: &dyn Fn(&Sample) -> bool,
        difference: &mut Difference,
    ) -> Result<(), Open> {
        let [other, another] = others.map(|id| matched(self.allowances.get(id)));
        let mut ambiguous = None;
        for region in self.regions(ends) {
            // What passes here and not there fails at one end there, or at the other.
            for rules in [&other, &another] {
                if difference.is_full() {
                    return Ok(());
                }
                let show = (Shapes::sample as Show, confirmed);
                match self.outside(&region, &rules.iter().collect::<Vec<_>>(), show)? {
                    Some(Shown::Sample(sample)) => {
                        difference.add(sample);
                        break;
                    }
                    Some(Shown::Ambiguous(path)) => ambiguous = Some(path),
                    None => {}
                }
            }
        }
        match ambiguous.filter(|_| difference.requests.is_empty()) {
            Some(path) => Err(Open::Ambiguous(path.escape_ascii().to_string())),
            None => Ok(()),
        }
    }

    /// Requests that pass here and not there because their paths are read in another way, or not at all.
    fn read_otherwise(
        &mut self,
        ends: Ends,
        others: Ends,
        confirmed: &dyn Fn(&Sample) -> bool,
        difference: &mut Difference,
    ) -> Result<(), Open> {
        let mut ambiguous = None;
        let is_same = difference.requests.is_empty();
        for Read { within, outside: rules } in self.readings(ends, others, is_same)? {
            for region in
                self.regions(ends).iter().flat_map(|region| within.iter().map(|it| it.within(region)))
            {
                if difference.is_full() {
                    return Ok(());
                }
                let show = (Shapes::read as Show, confirmed);
                match self.outside(&region, &rules.iter().collect::<Vec<_>>(), show)? {
                    Some(Shown::Sample(sample)) => difference.add(sample),
                    Some(Shown::Ambiguous(path)) => ambiguous = Some(path),
                    None => {}
                }
            }
        }
        match ambiguous.filter(|_| difference.requests.is_empty()) {
            Some(path) => Err(Open::Read(path.escape_ascii().to_string())),
            None => Ok(()),
        }
    }

    /// Where it matters how paths are read.
    ///
    /// Elsewhere what passes both of `ends` passes both of `others`, if as many texts match there: the readings of a
    /// stricter profile contain those of a laxer one, and a plain path has one reading in each. Targets that name a host
    /// are worth telling only where what the rules match is the same.
    fn readings(&self, ends: Ends, others: Ends, is_same: bool) -> Result<Vec<Read>, Open> {
        let (ambiguous, absolute) = (self.shapes.ambiguous()?, self.shapes.absolute()?);
        let read = |id: &AllowedId| self.allowances.read(*id);
        let asks = |id: &AllowedId| *self.allowances.get(*id) != Allowed::Everything;
        let mut found = Vec::new();
        // Who reads strictly at either end refuses every target that names a host, unless no rule of theirs matches.
        let refuses = |read: &allowed::Read| read.profile != Profile::Raw && read.beside.is_none();
        let is_refused = ends.iter().filter_map(read).any(refuses);
        let spared = ends.iter().filter_map(read).filter(|read| read.profile != Profile::Raw);
        let spared: Vec<Matched> = spared.filter_map(|read| read.beside.clone()).flatten().collect();
        for other in &others {
            let Some(reads) = read(other) else { continue };
            let is_laxer =
                |id: &AllowedId| !asks(id) || read(id).is_some_and(|read| read.profile <= reads.profile);
            if !ends.iter().all(is_laxer) {
                // What matches without a path passes however the path is read.
                let pathless = matched(self.allowances.get(*other)).into_iter();
                let pathless = pathless.filter(|rule| rule.path.is_none()).collect();
                found.push(Read { within: vec![Region::of_paths(ambiguous)], outside: pathless });
            }
            if reads.profile != Profile::Raw && !is_refused && is_same {
                let named = match &reads.beside {
                    Some(rules) => rules.iter().map(|rule| Region::of(&[rule])).collect(),
                    None => vec![Region::default()],
                };
                let absolute = Region::of_paths(absolute);
                let within = named.iter().map(|it| absolute.within(it)).collect();
                found.push(Read { within, outside: spared.clone() });
            }
        }
        Ok(found)
    }

    /// What the rules of both ends match, two by two.
    fn regions(&self, ends: Ends) -> Vec<Region> {
        let [first, second] = ends.map(|id| matched(self.allowances.get(id)));
        first.iter().flat_map(|one| second.iter().map(move |two| Region::of(&[one, two]))).collect()
    }

    /// A request of a region that none of these rules matches.
    fn outside(
        &mut self,
        region: &Region,
        rules: &[&Matched],
        (show, confirmed): (Show, &dyn Fn(&Sample) -> bool),
    ) -> Result<Option<Shown>, Open> {
        let (automata, budget) = (&mut self.automata, &mut self.budget);
        if rules.iter().any(|rule| region.is_within(rule)) || region.is_empty(automata, budget)? {
            return Ok(None);
        }
        let mut near = Vec::with_capacity(rules.len());
        for rule in rules {
            if !region.is_apart(rule, automata, budget)? {
                near.push(*rule);
            }
        }
        // Depth first, and the number of rules that have been taken away from each piece.
        let mut pieces = vec![(region.clone(), 0)];
        let mut ambiguous = None;
        while let Some((piece, mut taken)) = pieces.pop() {
            budget.region()?;
            let left = near.get(taken..).unwrap_or_default();
            if left.iter().any(|rule| piece.is_within(rule)) || piece.is_empty(automata, budget)? {
                continue;
            }
            while let Some(rule) = near.get(taken) {
                if !piece.is_apart(rule, automata, budget)? {
                    break;
                }
                taken += 1;
            }
            let Some(rule) = near.get(taken) else {
                match show(&self.shapes, &piece, automata, budget, confirmed)? {
                    Shown::Ambiguous(path) => ambiguous = Some(Shown::Ambiguous(path)),
                    found @ Shown::Sample(_) => return Ok(Some(found)),
                }
                continue;
            };
            pieces.extend(piece.without(rule).into_iter().rev().map(|piece| (piece, taken + 1)));
        }
        Ok(ambiguous)
    }
}

/// The two ends of a difference are alike.
fn sorted(mut ends: Ends) -> Ends {
    ends.sort();
    ends
}

fn matched(allowed: &Allowed) -> Vec<Matched> {
    match allowed {
        Allowed::Nothing => Vec::new(),
        Allowed::Everything => vec![Matched::default()],
        Allowed::Requests(requests) => requests.iter().cloned().collect(),
    }
}
