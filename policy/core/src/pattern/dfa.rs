//! Small automata: one table look-up a byte.

use std::collections::HashMap;

use super::positions::{Positions, Set};

/// The most entries of a table: past that, going from place to place is cheaper than the memory.
const MOST_ENTRIES: usize = 4096;

/// A deterministic automaton. State 0 is the one that nothing matches in, state 1 the one that everything does.
pub(crate) struct Dfa {
    classes: Box<[u8; 256]>,
    table: Table,
    states: usize,
    start: usize,
    /// The states from this one on match where a value ends, and so does `EVERYTHING`.
    accepting: usize,
}

/// Where each state leads to: all states with the first kind of bytes, then all with the next. What a look-up waits for is
/// the state alone, then.
enum Table {
    /// Of at most 256 states, as they usually are.
    Narrow(Box<[u8]>),
    Wide(Box<[u16]>),
}

/// The state that everything matches in.
const EVERYTHING: usize = 1;
/// How many bytes are gone through before it is asked whether the rest matters.
const AT_ONCE: usize = 4;

/// Where one can be: what may come next, and whether the value may end here.
type Place = (Set, bool);

impl Dfa {
    /// `None` where the table would be too large.
    pub(super) fn of(positions: &Positions) -> Option<Self> {
        let stride = positions.members.len();
        let most = MOST_ENTRIES / stride;
        let start: Place = (positions.first, positions.nullable);
        let mut numbers: HashMap<Place, usize> = HashMap::from([(start, 0)]);
        let mut places = vec![start];
        let mut ways: Vec<Option<usize>> = Vec::new();
        let mut next = 0;
        while let Some((allowed, _)) = places.get(next).copied() {
            next += 1;
            for members in &positions.members {
                let hit = allowed & members;
                if hit == 0 {
                    ways.push(None);
                    continue;
                }
                let place = (positions.after(hit), hit & positions.last != 0);
                let number = *numbers.entry(place).or_insert_with(|| {
                    places.push(place);
                    places.len() - 1
                });
                if places.len() + 2 > most {
                    return None;
                }
                ways.push(Some(number));
            }
        }
        Self::lay_out(positions, &places, &ways)
    }

    fn lay_out(positions: &Positions, places: &[Place], ways: &[Option<usize>]) -> Option<Self> {
        let stride = positions.members.len();
        let row = |number: usize| ways.chunks_exact(stride).nth(number).unwrap_or_default();
        let is_everything =
            |number: usize, place: &Place| place.1 && row(number).iter().all(|way| *way == Some(number));
        // Nothing, everything, those where no value ends, those where one may.
        let mut order: Vec<(usize, &Place)> = places.iter().enumerate().collect();
        order.retain(|(number, place)| !is_everything(*number, place));
        order.sort_by_key(|(_, place)| place.1);
        let mut numbers = vec![EVERYTHING; places.len()];
        for (index, (number, _)) in order.iter().enumerate() {
            *numbers.get_mut(*number)? = index + 2;
        }
        let states = order.len() + 2;
        let mut table = Vec::with_capacity(states * stride);
        for class in 0..stride {
            table.extend([0, EVERYTHING]);
            for (number, _) in &order {
                let way = row(*number).get(class).copied().flatten();
                table.push(way.map_or(Some(0), |way| numbers.get(way).copied())?);
            }
        }
        Some(Self {
            classes: positions.classes.clone(),
            table: Table::of(&table)?,
            states,
            start: numbers.first().copied()?,
            accepting: 2 + order.iter().filter(|(_, place)| !place.1).count(),
        })
    }

    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let state = match &self.table {
            Table::Narrow(table) => self.run(table, value),
            Table::Wide(table) => self.run(table, value),
        };
        state == EVERYTHING || state >= self.accepting
    }

    /// The state that a value ends in.
    fn run<T: Copy + Into<usize>>(&self, table: &[T], value: &[u8]) -> usize {
        let step = |state: usize, byte: &u8| {
            let class = self.classes.get(usize::from(*byte)).copied().map_or(0, usize::from);
            table.get(class * self.states + state).copied().map_or(0, Into::into)
        };
        let (chunks, rest) = value.as_chunks::<AT_ONCE>();
        let mut state = self.start;
        for chunk in chunks {
            if state <= EVERYTHING {
                return state;
            }
            state = chunk.iter().fold(state, step);
        }
        rest.iter().fold(state, step)
    }

    pub(super) fn memory(&self) -> usize {
        let table = match &self.table {
            Table::Narrow(table) => size_of_val(&**table),
            Table::Wide(table) => size_of_val(&**table),
        };
        size_of_val(&*self.classes) + table
    }
}

impl Table {
    fn of(states: &[usize]) -> Option<Self> {
        let narrow: Option<Box<[u8]>> = states.iter().map(|state| u8::try_from(*state).ok()).collect();
        if let Some(narrow) = narrow {
            return Some(Self::Narrow(narrow));
        }
        let wide: Option<Box<[u16]>> = states.iter().map(|state| u16::try_from(*state).ok()).collect();
        wide.map(Self::Wide)
    }
}
