//! A bundle that is read after another one, in this machine's code.

use postern_policy_wire::Loaded;

use crate::world::Set;

/// What is in force, and what comes next.
pub(crate) struct Updates {
    loaded: Loaded,
    /// Made ahead, the last first: what is measured is the reading.
    next: Vec<Vec<u8>>,
}

impl Updates {
    /// So many updates of one rule, or of all.
    pub(crate) fn new(set: &Set, all: bool, times: usize) -> Self {
        let text = std::str::from_utf8(&set.bundle).expect("a bundle is text");
        let first = set.shape.expression(0);
        let changed = |number: usize| match all {
            true => text.replace("\"path\":\"", &format!("\"path\":\"/edition{number}")),
            false => text.replacen(&first, &format!("/changed/{number}"), 1),
        };
        assert!((0..2).all(|number| changed(number) != text), "the bundle is written otherwise");
        let loaded = Loaded::new(set.bundle.clone(), []).expect("the bundle was written by this program");
        Self { loaded, next: (0..times).rev().map(|number| changed(number).into_bytes()).collect() }
    }

    /// Reads the next bundle. The one before goes.
    #[inline(never)]
    pub(crate) fn update(&mut self) {
        let bundle = self.next.pop().expect("there is one for each time");
        self.loaded = Loaded::new(bundle, [&self.loaded]).expect("the bundle differs in paths alone");
        assert!(self.loaded.quarantined.is_empty() && !self.loaded.kept.policy);
    }
}
