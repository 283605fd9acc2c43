//! Things under small numbers, found by one step; numbers of things that are gone are used again.

/// The things.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// A number that nothing has; [`Self::set`] puts something there.
    pub(super) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // There is no memory for as many things as there are numbers.
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn set(&mut self, number: u32, thing: T) {
        if let Some(entry) = self.entries.get_mut(place(number)) {
            *entry = Some(thing);
        }
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.entries.get_mut(place(number))?.take()?;
        self.free.push(number);
        Some(thing)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.entries.get(place(number))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut(place(number))?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.entries).filter_map(|(number, entry)| Some((number, entry.as_ref()?)))
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
