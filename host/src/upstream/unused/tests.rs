use std::cell::Cell;
use std::rc::Rc;

use super::*;

const LONGEST: Duration = Duration::from_secs(60);

/// A connection by number, with what it says of itself.
#[derive(Clone, Debug)]
struct Fake {
    number: u32,
    closed: Rc<Cell<bool>>,
    ready: bool,
}

impl Reusable for Fake {
    fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn is_ready(&self) -> bool {
        self.ready
    }
}

fn fake(number: u32) -> Fake {
    Fake { number, closed: Rc::default(), ready: true }
}

/// Seconds go on with every use.
struct World {
    unused: Unused<&'static str, Fake>,
    now: Instant,
}

impl World {
    fn new(most: usize) -> Self {
        Self { unused: Unused::new(most, LONGEST), now: Instant::now() }
    }

    fn put(&mut self, key: &'static str, connection: Fake) {
        self.now += Duration::from_secs(1);
        self.unused.put(&key, connection, self.now);
    }

    fn take(&mut self, key: &'static str) -> Option<u32> {
        self.now += Duration::from_secs(1);
        self.unused.take(&key, self.now).map(|connection| connection.number)
    }

    /// How many there are, counted both ways.
    #[track_caller]
    fn count(&self) -> (usize, usize) {
        let counted: usize = self.unused.by_key.values().map(|entry| entry.connections.len()).sum();
        assert_eq!(counted, self.unused.count);
        assert!(self.unused.by_key.values().all(|entry| !entry.connections.is_empty()), "an empty key stays");
        (self.unused.by_key.len(), counted)
    }
}

#[test]
fn a_key_gets_its_own_connections_and_the_latest_first() {
    let mut world = World::new(8);
    for (key, number) in [("a", 1), ("b", 2), ("a", 3)] {
        world.put(key, fake(number));
    }
    assert_eq!(world.count(), (2, 3));
    assert_eq!(world.take("c"), None);
    assert_eq!([world.take("a"), world.take("a"), world.take("a")], [Some(3), Some(1), None]);
    assert_eq!(world.count(), (1, 1));
    assert_eq!(world.take("b"), Some(2));
    assert_eq!(world.count(), (0, 0));
}

#[test]
fn what_is_closed_or_busy_is_not_used() {
    let mut world = World::new(8);
    let (closing, busy) = (fake(1), Fake { ready: false, ..fake(2) });
    world.put("a", closing.clone());
    world.put("a", busy);
    closing.closed.set(true);
    assert_eq!(world.take("a"), None);
    assert_eq!(world.count(), (1, 1));
    world.put("b", closing);
    assert_eq!(world.count(), (1, 1));
}

#[test]
fn the_key_that_was_used_the_longest_time_ago_pays() {
    let mut world = World::new(3);
    for (key, number) in [("a", 1), ("b", 2), ("a", 3)] {
        world.put(key, fake(number));
    }
    world.put("c", fake(4));
    assert_eq!(world.count(), (2, 3));
    assert_eq!(world.take("b"), None);
    // Not the oldest connection, but the oldest key's.
    assert_eq!(world.take("a"), Some(3));
    world.put("a", fake(3));
    world.put("d", fake(5));
    assert_eq!(world.take("c"), None);
    assert_eq!(world.count(), (2, 3));
}

#[test]
fn one_key_alone_keeps_its_latest() {
    let mut world = World::new(2);
    for number in 1..=4 {
        world.put("a", fake(number));
    }
    assert_eq!(world.count(), (1, 2));
    assert_eq!([world.take("a"), world.take("a"), world.take("a")], [Some(4), Some(3), None]);
}

#[test]
fn nothing_is_kept_for_ever() {
    let mut world = World::new(8);
    world.put("a", fake(1));
    let since = world.now;
    world.now += Duration::from_secs(30);
    let closed = fake(3);
    world.put("a", fake(2));
    world.put("b", closed.clone());
    closed.closed.set(true);
    world.unused.expire(since + LONGEST);
    assert_eq!(world.count(), (1, 2));
    world.unused.expire(since + LONGEST + Duration::from_millis(1));
    assert_eq!(world.count(), (1, 1));
    assert_eq!(world.take("a"), Some(2));
}
