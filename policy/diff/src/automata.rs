//! Automata: the expressions of both sides, and the shortest value that some of them match and others do not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use postern_policy_core::pattern::Pattern;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson;
use regex_automata::{Anchored, Input, MatchKind};

use crate::budget::{Budget, EXPRESSION, Open, STATES};

/// An expression's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PatternId(usize);

/// The values that all of some expressions match, and none of some others.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Language {
    pub(crate) all: BTreeSet<PatternId>,
    pub(crate) none: BTreeSet<PatternId>,
}

/// Every expression once.
#[derive(Debug, Default)]
pub(crate) struct Automata {
    numbers: BTreeMap<String, PatternId>,
    list: Vec<Automaton>,
    known: HashMap<(Language, usize), Result<Vec<Vec<u8>>, Open>>,
}

#[derive(Debug)]
struct Automaton {
    pattern: Pattern,
    /// Its only value, where it has no operators.
    literal: Option<Vec<u8>>,
    machine: Option<Machine>,
}

#[derive(Debug)]
struct Machine {
    dfa: DFA,
    cache: Cache,
    start: LazyStateID,
}

/// Where a search is in each automaton: nowhere where nothing can match any more.
type Position = Vec<Option<LazyStateID>>;

impl Automata {
    pub(crate) fn number(&mut self, pattern: &Pattern) -> PatternId {
        if let Some(id) = self.numbers.get(pattern.as_str()) {
            return *id;
        }
        let id = PatternId(self.list.len());
        self.numbers.insert(pattern.as_str().to_owned(), id);
        let source = pattern.as_str();
        let literal = !source.contains(|c: char| r"\.+*?()|[]{}^$".contains(c)) && source.is_ascii();
        let literal = literal.then(|| source.as_bytes().to_vec());
        self.list.push(Automaton { pattern: pattern.clone(), literal, machine: None });
        id
    }

    pub(crate) fn pattern(&self, id: PatternId) -> Option<&Pattern> {
        self.list.get(id.0).map(|automaton| &automaton.pattern)
    }

    pub(crate) fn contains(&self, language: &Language, value: &[u8]) -> bool {
        let matches = |id: &PatternId| self.pattern(*id).is_some_and(|pattern| pattern.matches(value));
        language.all.iter().all(matches) && !language.none.iter().any(matches)
    }

    /// Whether no value is in a language.
    pub(crate) fn is_empty(&mut self, language: &Language, budget: &mut Budget) -> Result<bool, Open> {
        Ok(self.values(language, 1, budget)?.is_empty())
    }

    /// Up to `most` values of a language, the shortest first; none only if there is none.
    pub(crate) fn values(
        &mut self,
        language: &Language,
        most: usize,
        budget: &mut Budget,
    ) -> Result<Vec<Vec<u8>>, Open> {
        if !language.all.is_disjoint(&language.none) {
            return Ok(Vec::new());
        }
        let literal = |id: &PatternId| self.list.get(id.0).and_then(|known| known.literal.clone());
        if let Some(only) = language.all.iter().find_map(literal) {
            for _ in language.all.iter().chain(&language.none) {
                budget.step()?;
            }
            let within = self.contains(language, &only);
            return Ok(within.then_some(only).into_iter().collect());
        }
        if language.none.is_empty() && language.all.is_empty() {
            return Ok(vec![Vec::new()]);
        }
        let question = (language.clone(), most);
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        let found = self.search(language, most, budget);
        // What ran out for this question may not for the next one.
        if !matches!(found, Err(Open::Steps | Open::StepsInAll)) {
            self.known.insert(question, found.clone());
        }
        found
    }

    /// Breadth first through the product of the automata.
    fn search(
        &mut self,
        language: &Language,
        most: usize,
        budget: &mut Budget,
    ) -> Result<Vec<Vec<u8>>, Open> {
        let ids: Vec<PatternId> = language.all.iter().chain(&language.none).copied().collect();
        let wanted = language.all.len();
        let mut start = Position::with_capacity(ids.len());
        for id in &ids {
            start.push(Some(self.machine(*id)?.start));
        }
        let bytes = self.representatives(&ids)?;
        // Each position is taken further once: the first way to it is the shortest. Who wants several values
        // takes several ways.
        let ways = if most > 1 { 4 } else { 1 };
        let mut seen: HashMap<Position, usize> = HashMap::from([(start.clone(), 1)]);
        let mut queue: Vec<(Position, usize, u8)> = vec![(start, 0, 0)];
        let mut found = Vec::new();
        let mut next = 0;
        while let Some((position, ..)) = queue.get(next).cloned() {
            if self.accepts(&ids, wanted, &position)? {
                found.push(spelled(&queue, next));
                if found.len() >= most {
                    break;
                }
            }
            'bytes: for byte in &bytes {
                let mut reached = Position::with_capacity(ids.len());
                for (place, (id, state)) in ids.iter().zip(&position).enumerate() {
                    let state = match state {
                        Some(state) => {
                            budget.step()?;
                            self.machine(*id)?.step(*state, *byte)?
                        }
                        None => None,
                    };
                    if state.is_none() && place < wanted {
                        continue 'bytes;
                    }
                    reached.push(state);
                }
                let times = seen.entry(reached.clone()).or_default();
                if *times < ways {
                    *times += 1;
                    queue.push((reached, next, *byte));
                }
            }
            if queue.len() > STATES {
                // Several values are a courtesy: one is enough to know that there is one.
                return if found.is_empty() { Err(Open::States) } else { Ok(found) };
            }
            next += 1;
        }
        Ok(found)
    }

    fn accepts(&mut self, ids: &[PatternId], wanted: usize, position: &Position) -> Result<bool, Open> {
        for (place, (id, state)) in ids.iter().zip(position).enumerate() {
            let accepted = match state {
                Some(state) => self.machine(*id)?.accepts(*state)?,
                None => false,
            };
            if accepted != (place < wanted) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One byte of each class that no automaton tells apart, those that read best first.
    fn representatives(&mut self, ids: &[PatternId]) -> Result<Vec<u8>, Open> {
        let mut classes: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut bytes = Vec::new();
        for byte in by_looks() {
            let mut class = Vec::with_capacity(ids.len());
            for id in ids {
                class.push(self.machine(*id)?.dfa.byte_classes().get(byte));
            }
            if classes.insert(class) {
                bytes.push(byte);
            }
        }
        Ok(bytes)
    }

    fn machine(&mut self, id: PatternId) -> Result<&mut Machine, Open> {
        let automaton = self.list.get_mut(id.0).ok_or(Open::Expression)?;
        if automaton.machine.is_none() {
            automaton.machine = Some(Machine::new(&automaton.pattern)?);
        }
        automaton.machine.as_mut().ok_or(Open::Expression)
    }
}

impl Machine {
    fn new(pattern: &Pattern) -> Result<Self, Open> {
        let hir = pattern.hir().map_err(|_| Open::Expression)?;
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false).which_captures(thompson::WhichCaptures::None))
            .build_from_hir(&hir)
            .map_err(|_| Open::Expression)?;
        // A cache that is cleared would give a state another number: it must never be.
        let config = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(EXPRESSION)
            .minimum_cache_clear_count(Some(0));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| Open::Expression)?;
        let mut cache = dfa.create_cache();
        let input = Input::new(b"").anchored(Anchored::Yes);
        let start = dfa.start_state_forward(&mut cache, &input).map_err(|_| Open::Expression)?;
        Ok(Self { dfa, cache, start })
    }

    fn step(&mut self, state: LazyStateID, byte: u8) -> Result<Option<LazyStateID>, Open> {
        let next = self.dfa.next_state(&mut self.cache, state, byte).map_err(|_| Open::Expression)?;
        match next.is_quit() {
            true => Err(Open::Expression),
            false => Ok((!next.is_dead()).then_some(next)),
        }
    }

    fn accepts(&mut self, state: LazyStateID) -> Result<bool, Open> {
        let end = self.dfa.next_eoi_state(&mut self.cache, state).map_err(|_| Open::Expression)?;
        Ok(end.is_match())
    }
}

fn spelled(queue: &[(Position, usize, u8)], end: usize) -> Vec<u8> {
    let mut value = Vec::new();
    let mut at = end;
    while let Some((_, from, byte)) = queue.get(at).filter(|_| at != 0) {
        value.push(*byte);
        at = *from;
    }
    value.reverse();
    value
}

/// Every byte, letters and digits first, what does not print last.
fn by_looks() -> Vec<u8> {
    let rank = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'-' | b'_' => 3,
        b'/' => 4,
        b'.' => 5,
        b'!'..=b'~' => 6,
        b' ' => 7,
        _ => 8,
    };
    let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
    bytes.sort_by_key(rank);
    bytes
}
