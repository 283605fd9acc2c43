//! Choices out of bytes: one byte a choice, so that a change of the input is a change of one thing.

/// What is left of a line. A digit is its number; after the end everything is 0, the plainest choice.
pub(crate) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(line: &'b [u8]) -> Self {
        Self(line)
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let byte = self.0.split_off_first().map_or(0, |byte| byte.wrapping_sub(b'0'));
        usize::from(byte).checked_rem(end).unwrap_or_default()
    }

    /// Whether something unusual is done: 5 to 9 say yes.
    pub(crate) fn yes(&mut self) -> bool {
        self.below(10) >= 5
    }

    /// One of a table; the first where nothing says which.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    /// The same of words.
    pub(crate) fn word(&mut self, of: &[&'static str]) -> &'static str {
        self.one(of).unwrap_or_default()
    }

    /// Something, or nothing, which is the plainest.
    pub(crate) fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.yes().then(|| some(self))
    }

    /// So many of something: from `least` to `most`.
    pub(crate) fn several<T>(
        &mut self,
        least: usize,
        most: usize,
        mut each: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| each(self)).collect()
    }
}
