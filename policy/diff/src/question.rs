//! One question: what passes two ends now that did not before.

use std::collections::HashMap;
use std::sync::Arc;

use crate::allowed::{Allowances, Allowed, AllowedId, Matched};
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
        let open = |ends: Ends| ends == [AllowedId::EVERYTHING; 2];
        if ends == others || closed(ends) || open(others) {
            return Difference::default();
        }
        if open(ends) && closed(others) {
            return Difference { everything: true, ..Difference::default() };
        }
        let mut difference = Difference { not_http: open(ends), ..Difference::default() };
        if let Err(open) = self.requests(ends, others, &mut difference) {
            difference.open = Some(open);
        }
        difference
    }

    fn requests(&mut self, ends: Ends, others: Ends, difference: &mut Difference) -> Result<(), Open> {
        let [first, second] = ends.map(|id| matched(self.allowances.get(id)));
        let [other, another] = others.map(|id| matched(self.allowances.get(id)));
        let policies = |ends: Ends, questions: &Self| {
            ends.map(|id| confirm::policy(questions.allowances.get(id), &questions.automata))
        };
        let (now, before) = (policies(ends, self), policies(others, self));
        let confirmed = |sample: &Sample| confirm::passes(&now, sample) && !confirm::passes(&before, sample);
        let mut ambiguous = None;
        for (first, second) in first.iter().flat_map(|one| second.iter().map(move |two| (one, two))) {
            let region = Region::of(&[first, second]);
            // What passes here and not there fails at one end there, or at the other.
            for rules in [&other, &another] {
                if difference.requests.len() >= REQUESTS {
                    difference.more = true;
                    return Ok(());
                }
                match self.outside(&region, &rules.iter().collect::<Vec<_>>(), &confirmed)? {
                    Some(Shown::Sample(sample)) => {
                        if !difference.requests.contains(&sample) {
                            difference.requests.push(sample);
                        }
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

    /// A request of a region that none of these rules matches.
    fn outside(
        &mut self,
        region: &Region,
        rules: &[&Matched],
        confirmed: &dyn Fn(&Sample) -> bool,
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
                match self.shapes.sample(&piece, automata, budget, confirmed)? {
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
