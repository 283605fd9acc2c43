use super::*;

fn record(holder: &str, version: u32) -> Record {
    let holder = (!holder.is_empty()).then(|| holder.to_owned());
    Record { holder, version: version.to_string(), duration: Duration::from_secs(15) }
}

fn candidate() -> (Election, Instant) {
    (Election::new("me".to_owned(), Timing::default()), Instant::now())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_creates_and_leads_until_its_deadline() {
    let (mut election, start) = candidate();
    assert_eq!(election.observe(None, start), Step::Create);
    assert!(!election.is_leader(start), "not before the write was taken");
    election.written(record("me", 1), start);
    assert!(election.is_leader(start + 9 * SECOND));
    assert!(!election.is_leader(start + 10 * SECOND));
    assert_eq!(election.observe(Some(record("me", 1)), start + 2 * SECOND), Step::Renew);
}

#[test]
fn a_holder_that_renews_is_left_alone_however_old_its_clock_says_it_is() {
    let (mut election, start) = candidate();
    for second in 0..60 {
        let step = election.observe(Some(record("other", second)), start + second * SECOND);
        assert_eq!(step, Step::Wait);
    }
}

#[test]
fn a_holder_that_is_silent_for_the_duration_is_followed() {
    let (mut election, start) = candidate();
    assert_eq!(election.observe(Some(record("other", 1)), start), Step::Wait);
    assert_eq!(election.observe(Some(record("other", 1)), start + 14 * SECOND), Step::Wait);
    assert_eq!(election.observe(Some(record("other", 1)), start + 15 * SECOND), Step::Take);
}

#[test]
fn a_release_is_taken_at_once() {
    let (mut election, start) = candidate();
    assert_eq!(election.observe(Some(record("", 4)), start), Step::Take);
    assert!(!election.is_leader(start));
}

#[test]
fn another_name_ends_our_term() {
    let (mut election, start) = candidate();
    election.written(record("me", 1), start);
    assert_eq!(election.observe(Some(record("other", 2)), start + SECOND), Step::Wait);
    assert!(!election.is_leader(start + SECOND));
}

#[test]
fn a_deleted_lease_ends_our_term() {
    let (mut election, start) = candidate();
    election.written(record("me", 1), start);
    assert_eq!(election.observe(None, start + SECOND), Step::Create);
    assert!(!election.is_leader(start + SECOND));
}

#[test]
fn we_stop_before_anybody_may_follow() {
    let (mut leader, start) = candidate();
    let mut follower = Election::new("other".to_owned(), Timing::default());
    leader.written(record("me", 1), start);
    // The follower cannot see the record before it was written.
    assert_eq!(follower.observe(Some(record("me", 1)), start), Step::Wait);
    for second in 0..=20 {
        let now = start + second * SECOND;
        let may_take = follower.observe(Some(record("me", 1)), now) == Step::Take;
        assert!(!(may_take && leader.is_leader(now)), "both after {second} s");
    }
}

#[test]
fn an_incumbent_stays_one_until_another_name_is_seen() {
    let (mut election, start) = candidate();
    assert_eq!(election.role(start), Role { leader: false, incumbent: false });
    election.written(record("me", 1), start);
    assert_eq!(election.role(start), Role { leader: true, incumbent: true });
    let later = start + 60 * SECOND;
    assert_eq!(election.role(later), Role { leader: false, incumbent: true });
    assert_eq!(election.observe(Some(record("me", 1)), later), Step::Renew);
    assert!(election.role(later).incumbent);
    election.observe(Some(record("other", 2)), later);
    assert_eq!(election.role(later), Role { leader: false, incumbent: false });
}
