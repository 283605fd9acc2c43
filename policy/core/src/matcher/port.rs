//! Ports: the rules of one segment of ports, compiled.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::OnceLock;

use super::connect;
use super::entry::{Entry, Vocabulary};
use super::expressions::{Collector, Expressions};
use super::hash::{index, number};
use super::index::Index;
use super::node::Facts;
use super::peers::Classes;
use super::search::{Asked, Search, rule, wanted};
use super::view::{NEAREST_AMONG, View};
use super::work::Work;
use crate::decide::{Decision, Layer, NearMiss, Reason, Verdict, quarantine};
use crate::endpoint::{Action, DirectionPolicy, Rule, Tier};
use crate::http::{HttpMatcher, Request};

/// The most views of a port that are kept. More classes of peers than that are looked at for each request anew.
const MOST_VIEWS: usize = 4096;

/// The rules that speak of a port.
pub(super) struct Port {
    /// In the order of their list.
    rules: Box<[Placed]>,
    /// The active HTTP rules, in the order in which they are asked.
    entries: Box<[Entry]>,
    vocabulary: Vocabulary,
    index: Index,
    groups: usize,
    /// One for each class of peers, once it was needed.
    views: Box<[OnceLock<View>]>,
}

/// A rule, its first entry and the group that its entries belong to.
#[derive(Clone, Copy)]
struct Placed {
    rule: u32,
    first: u32,
    group: Option<u32>,
}

impl Port {
    pub(super) fn new(
        policy: &DirectionPolicy,
        classes: &Classes,
        list: &[u32],
        collector: &mut Collector,
    ) -> Self {
        let get = |rule: &u32| Some((*rule, &**policy.rules.get(index(*rule))?));
        let reached = |(_, rule): &(u32, &Rule)| policy.reaches(rule.tier);
        let rules: Vec<(u32, &Rule)> = list.iter().filter_map(get).filter(reached).collect();
        let (groups, count) = groups(&rules, classes);
        let mut placed: Vec<Placed> = rules
            .iter()
            .zip(groups)
            .map(|((rule, _), group)| Placed { rule: *rule, first: 0, group })
            .collect();
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|place| rules.get(*place).map(|(_, rule)| rule.place()));
        let most = rules.iter().map(|(_, rule)| rule.http().len()).sum();
        let (mut entries, mut facts) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let mut vocabulary = Vocabulary::default();
        for place in order {
            let (Some((number_of, rule)), Some(placed)) = (rules.get(place), placed.get_mut(place)) else {
                continue;
            };
            placed.first = number(entries.len());
            for (http, rule) in rule.http().iter().enumerate() {
                let HttpMatcher::Active(wanted) = &rule.matcher else { continue };
                let at = (*number_of, number(http));
                let entry = Entry::new(at, placed.group, wanted, &mut vocabulary, collector);
                facts.push(Facts { wanted, group: placed.group, method: entry.method });
                entries.push(entry);
            }
        }
        vocabulary.shrink();
        Self {
            rules: placed.into(),
            index: Index::new(&facts),
            entries: entries.into(),
            vocabulary,
            groups: count,
            views: (0..classes.count().min(MOST_VIEWS)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// What a class of peers sees.
    pub(super) fn view(
        &self,
        policy: &DirectionPolicy,
        classes: &Classes,
        class: u32,
    ) -> impl Deref<Target = View> {
        match self.views.get(index(class)) {
            Some(kept) => Seen::Kept(kept.get_or_init(|| self.look(policy, classes, class))),
            None => Seen::Anew(Box::new(self.look(policy, classes, class))),
        }
    }

    fn look(&self, policy: &DirectionPolicy, classes: &Classes, class: u32) -> View {
        let covering = self.rules.iter().filter(|placed| classes.covers(placed.rule, class));
        let considered = policy.considered_of(
            covering.filter_map(|placed| Some((*placed, &**policy.rules.get(index(placed.rule))?))),
        );
        let mut view = View {
            bound: number(self.entries.len()),
            live: vec![0; self.groups.div_ceil(64)].into(),
            ..View::default()
        };
        let is_quarantined = |rule: &Rule| matches!(rule.action, Action::Quarantined(_));
        let is_http = |rule: &Rule| matches!(rule.action, Action::Http(_));
        let firsts = [
            considered.iter().position(|(_, rule)| is_quarantined(rule)),
            considered.iter().position(|(_, rule)| !is_quarantined(rule)),
            considered.iter().position(|(_, rule)| is_http(rule)),
        ];
        let mut firsts: Vec<usize> = firsts.into_iter().flatten().collect();
        firsts.sort_unstable();
        firsts.dedup();
        view.connection =
            firsts.iter().filter_map(|at| considered.get(*at)).map(|(placed, _)| placed.rule).collect();
        view.redirects = connect(policy, &view.connection).verdict == Verdict::Redirect;
        let mut near = Vec::new();
        for (placed, rule) in &considered {
            match &rule.action {
                Action::Allow | Action::Deny => {
                    (view.terminal, view.bound, view.invalid) = (Some(placed.rule), placed.first, None);
                    near.clear();
                    break;
                }
                Action::Http(http) => {
                    if let Some(group) = placed.group {
                        view.insert(group);
                    }
                    let quarantined = http.iter().position(|rule| rule.quarantined().is_some());
                    let quarantined = quarantined.map(|http| (placed.rule, Some(number(http))));
                    view.invalid = view.invalid.or(quarantined);
                    let own = self.entries.iter().zip(0..).skip(index(placed.first));
                    let own = own.take_while(|(entry, _)| entry.rule == placed.rule);
                    near.extend(own.map(|(_, number)| number).take(NEAREST_AMONG - near.len()));
                }
                Action::Quarantined(_) => view.invalid = view.invalid.or(Some((placed.rule, None))),
                Action::Pass => {}
            }
        }
        view.near = near.into();
        view
    }

    /// Decides a request by one reading of its path, as [`DirectionPolicy::request`] would.
    #[inline]
    pub(super) fn http<'p>(
        &self,
        policy: &'p DirectionPolicy,
        expressions: &Expressions,
        view: &View,
        (request, path): (&Request<'_>, Option<&[u8]>),
        work: &mut Work,
    ) -> Decision<'p> {
        let mut search = Search {
            asked: Asked::new(request, path, &self.vocabulary),
            policy,
            view,
            entries: &self.entries,
            vocabulary: &self.vocabulary,
            expressions,
            work,
            best: view.bound,
            nearest: None,
            split: false,
        };
        if view.bound > 0 {
            self.index.search(&mut search);
        }
        if search.best < view.bound
            && let Some(found) = self.entries.get(index(search.best)).and_then(|entry| rule(policy, entry))
        {
            return Decision {
                verdict: Verdict::Allow,
                layer: Layer::L7,
                reason: Reason::AllowedBy(&found.id),
            };
        }
        self.without_entry(search)
    }

    /// Decides a request that no entry matches.
    fn without_entry<'p>(&self, mut search: Search<'_, 'p, '_>) -> Decision<'p> {
        let decision = |verdict, reason| Decision { verdict, layer: Layer::L7, reason };
        let (policy, view) = (search.policy, search.view);
        let terminal = view.terminal.and_then(|rule| policy.rules.get(index(rule)));
        match terminal {
            // Whatever was left out would have allowed it too.
            Some(rule) if rule.action == Action::Allow => {
                return decision(Verdict::Allow, Reason::AllowedBy(&rule.id));
            }
            None if !policy.default_deny => return policy.unmatched(Layer::L7, None, None),
            _ if search.work.exceeded() => return decision(Verdict::Deny, Reason::TooManyCandidates),
            Some(rule) => return decision(Verdict::Deny, Reason::DeniedBy(&rule.id)),
            None => {}
        }
        if let Some(invalid) = view.invalid.and_then(|invalid| self::invalid(policy, invalid)) {
            return policy.unmatched(Layer::L7, Some(invalid), None);
        }
        search.compare(&view.near);
        let nearest = search.nearest.and_then(|(field, number)| {
            let entry = self.entries.get(index(number))?;
            Some(NearMiss { rule: &rule(policy, entry)?.id, wanted: wanted(policy, entry)?, field })
        });
        policy.unmatched(Layer::L7, None, nearest)
    }

    pub(super) fn memory(&self) -> usize {
        let views: usize = self.views.iter().map(|view| view.get().map_or(0, View::memory)).sum();
        size_of::<Self>()
            + size_of_val(&*self.rules)
            + size_of_val(&*self.entries)
            + size_of_val(&*self.views)
            + views
            + self.vocabulary.memory()
            + self.index.memory()
    }
}

/// A view that is kept, or one for this request only.
enum Seen<'v> {
    Kept(&'v View),
    Anew(Box<View>),
}

impl Deref for Seen<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        match self {
            Self::Kept(view) => view,
            Self::Anew(view) => view,
        }
    }
}

fn invalid(policy: &DirectionPolicy, (rule, http): (u32, Option<u32>)) -> Option<Reason<'_>> {
    let rule = policy.rules.get(index(rule))?;
    let (Action::Http(rules), Some(http)) = (&rule.action, http) else { return quarantine(rule) };
    let rule = rules.get(index(http))?;
    match &rule.matcher {
        HttpMatcher::Quarantined(why) => Some(Reason::Invalid { rule: &rule.id, why }),
        HttpMatcher::Active(_) => None,
    }
}

/// The groups of rules that speak of the same peers, and how many there are. Where rules are passed over, those
/// with the same passes before them.
fn groups(rules: &[(u32, &Rule)], classes: &Classes) -> (Vec<Option<u32>>, usize) {
    let passes = rules.iter().any(|(_, rule)| rule.action == Action::Pass);
    let mut numbers: HashMap<(Option<u32>, Tier, usize), u32> = HashMap::new();
    let mut passed = 0;
    let mut groups = Vec::with_capacity(rules.len());
    for (number_of, rule) in rules {
        let set = classes.set(*number_of);
        if set.is_none() && !passes {
            groups.push(None);
            continue;
        }
        let key = if passes { (set, rule.tier, passed) } else { (set, Tier::Normal, 0) };
        let next = number(numbers.len());
        groups.push(Some(*numbers.entry(key).or_insert(next)));
        passed += usize::from(rule.action == Action::Pass);
    }
    (groups, numbers.len())
}
