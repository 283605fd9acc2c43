//! Work: what deciding one request may cost.

/// How many candidates are verified for one reading of a path.
pub const MOST_CANDIDATES: u32 = 1024;
/// How many bytes are gone through for one request, all readings together; a candidate counts as its value and
/// some more. A hundred rules can be held against the longest path.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// What a candidate costs apart from its value.
const CANDIDATE: usize = 64;
/// What compiling an expression counts for that the memory budget has no room for: about what it takes.
pub(super) const COMPILING: usize = 16 << 10;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Work {
    candidates: u32,
    bytes: usize,
    exceeded: bool,
}

impl Work {
    /// For one request.
    pub(super) fn new() -> Self {
        Self { candidates: MOST_CANDIDATES, bytes: MOST_BYTES, exceeded: false }
    }

    /// For the next reading of its path.
    pub(super) fn next_reading(&mut self) {
        self.candidates = MOST_CANDIDATES;
        self.exceeded = false;
    }

    /// Whether a candidate with a value of this length may still be verified.
    pub(super) fn candidate(&mut self, length: usize) -> bool {
        match self.candidates.checked_sub(1).zip(self.bytes.checked_sub(length + CANDIDATE)) {
            Some((candidates, bytes)) => (self.candidates, self.bytes) = (candidates, bytes),
            None => self.exceeded = true,
        }
        !self.exceeded
    }

    /// Whether there is work left for comparing one more, for no other sake than to say what came near.
    pub(super) fn comparison(&mut self, length: usize) -> bool {
        let left = self.bytes.checked_sub(length + CANDIDATE);
        self.bytes = left.unwrap_or(0);
        left.is_some()
    }

    /// An expression was compiled that could not be kept.
    pub(super) fn compiled(&mut self) {
        self.bytes = self.bytes.saturating_sub(COMPILING);
    }

    /// Whether a candidate was left out.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }
}
