//! Small automata: one table look-up a byte.

use std::collections::HashMap;

use super::positions::{Positions, Set};

/// The most entries of a table: past that, going from place to place is cheaper than the memory.
const MOST_ENTRIES: usize = 4096;

/// A deterministic automaton. A state is where its row begins in the table.
pub(crate) struct Dfa {
    classes: Box<[u8; 256]>,
    table: Box<[u16]>,
    start: u16,
    /// The state that everything matches in: its row is the second one, after that of the state that nothing does.
    everything: u16,
    /// The states from this one on match where a value ends, and so does `everything`.
    accepting: u16,
}

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
        let mut rows = vec![1; places.len()];
        for (index, (number, _)) in order.iter().enumerate() {
            *rows.get_mut(*number)? = index + 2;
        }
        let at = |row: usize| u16::try_from(row * stride).ok();
        let state = |number: usize| rows.get(number).and_then(|row| at(*row));
        let mut table = vec![0; stride];
        table.extend(vec![at(1)?; stride]);
        for (number, _) in &order {
            for way in row(*number) {
                table.push(way.map_or(Some(0), state)?);
            }
        }
        Some(Self {
            classes: positions.classes.clone(),
            table: table.into(),
            start: state(0)?,
            everything: at(1)?,
            accepting: at(2 + order.iter().filter(|(_, place)| !place.1).count())?,
        })
    }

    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let mut state = self.start;
        for byte in value {
            if state <= self.everything {
                return state == self.everything;
            }
            let class = self.classes.get(usize::from(*byte)).copied().unwrap_or(0);
            state = self.table.get(usize::from(state) + usize::from(class)).copied().unwrap_or(0);
        }
        state == self.everything || state >= self.accepting
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + 256 + self.table.len() * size_of::<u16>()
    }
}
