use super::*;
use crate::testing::snapshot;

fn view(revision: u64, endpoints: &[(&str, bool)]) -> View {
    View::plain(snapshot(revision, &[(256, "10.0.0.1/32")], endpoints))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn endpoints(subscribe: &[&str]) -> Subscription {
    Subscription::new(ResourceType::Endpoint, &names(subscribe), HashMap::new())
}

/// What would be sent, as names; the client takes it.
fn take(subscription: &mut Subscription, view: &View) -> Vec<String> {
    let Pending { change, .. } = subscription.pending(view);
    subscription.answered();
    subscription.acknowledged(&change);
    said(&change)
}

/// The client refuses it.
fn refuse(subscription: &mut Subscription, view: &View) -> Vec<String> {
    let Pending { change, .. } = subscription.pending(view);
    subscription.answered();
    subscription.refuses(&change, change.len() <= 1);
    said(&change)
}

fn said(change: &Change) -> Vec<String> {
    let sign = |presence: Option<_>| if presence.is_some() { '+' } else { '-' };
    change.outcome().map(|(name, presence)| format!("{}{name}", sign(presence))).collect()
}

#[test]
fn a_wildcard_gets_what_changes() {
    for subscribe in [&["*"][..], &[]] {
        let mut all = endpoints(subscribe);
        assert_eq!(take(&mut all, &view(1, &[("d/a", true), ("d/b", true)])), ["+d/a", "+d/b"]);
        assert_eq!(take(&mut all, &view(2, &[("d/a", true), ("d/b", false)])), ["+d/b"]);
        assert_eq!(take(&mut all, &view(3, &[("d/b", false), ("d/c", true)])), ["+d/c", "-d/a"]);
        assert_eq!(take(&mut all, &view(4, &[("d/b", false), ("d/c", true)])), [""; 0]);
    }
}

#[test]
fn names_get_what_they_name_and_hear_of_what_is_not() {
    let mut some = endpoints(&["d/a", "d/x"]);
    assert_eq!(take(&mut some, &view(1, &[("d/a", true), ("d/b", true)])), ["+d/a", "-d/x"]);
    assert_eq!(take(&mut some, &view(2, &[("d/a", true)])), [""; 0]);
    assert_eq!(take(&mut some, &view(3, &[("d/x", true)])), ["+d/x", "-d/a"]);
    some.subscribe(&names(&["d/b"]));
    some.unsubscribe(&names(&["d/x"]));
    assert_eq!(take(&mut some, &view(4, &[("d/b", true)])), ["+d/b"]);
}

#[test]
fn who_subscribes_again_is_sent_it_again() {
    let mut some = endpoints(&["d/a"]);
    let view = view(1, &[("d/a", true), ("d/b", true)]);
    assert_eq!(take(&mut some, &view), ["+d/a"]);
    some.subscribe(&names(&["d/a"]));
    assert_eq!(take(&mut some, &view), ["+d/a"]);
    some.subscribe(&names(&["*"]));
    assert_eq!(take(&mut some, &view), ["+d/a", "+d/b"]);
    some.unsubscribe(&names(&["*"]));
    assert_eq!(take(&mut some, &view), [""; 0]);
    assert!(some.wants("d/a") && !some.wants("d/b"));
}

#[test]
fn what_the_client_has_from_before_is_not_sent() {
    let now = snapshot(7, &[(256, "10.0.0.1/32")], &[("d/a", true), ("d/b", true)]);
    let version = now.resource(ResourceType::Endpoint, "d/a").unwrap().version.to_string();
    let has = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    let has = HashMap::from([has("d/a", &version), has("d/b", "older"), has("d/gone", "any")]);
    let mut all = Subscription::new(ResourceType::Endpoint, &names(&["*"]), has.clone());
    assert_eq!(take(&mut all, &View::plain(now.clone())), ["+d/b", "-d/gone"]);
    let mut one = Subscription::new(ResourceType::Endpoint, &names(&["d/a"]), has);
    assert!(!one.is_unanswered());
    assert_eq!(take(&mut one, &View::plain(now)), [""; 0]);
}

#[test]
fn of_what_was_refused_together_each_is_tried_by_itself() {
    let mut all = endpoints(&["*"]);
    let first = view(1, &[("d/a", true), ("d/b", true), ("d/c", true)]);
    assert_eq!(refuse(&mut all, &first), ["+d/a", "+d/b", "+d/c"]);
    assert_eq!(take(&mut all, &first), ["+d/a"]);
    assert_eq!(refuse(&mut all, &first), ["+d/b"]);
    assert_eq!(take(&mut all, &first), ["+d/c"]);
    assert_eq!(all.pending(&first), Pending { change: Change::default(), held: true });

    // Others go on; it comes again when it changes.
    let second = view(2, &[("d/a", true), ("d/b", true), ("d/c", false)]);
    assert_eq!(take(&mut all, &second), ["+d/c"]);
    let third = view(3, &[("d/a", true), ("d/b", false), ("d/c", false)]);
    assert_eq!(take(&mut all, &third), ["+d/b"]);
    assert_eq!(all.pending(&third), Pending::default());
}

#[test]
fn what_was_refused_is_forgotten_when_it_is_taken_back() {
    let mut all = endpoints(&["*"]);
    assert_eq!(take(&mut all, &view(1, &[("d/a", true)])), ["+d/a"]);
    assert_eq!(refuse(&mut all, &view(2, &[("d/a", false)])), ["+d/a"]);
    assert_eq!(all.pending(&view(3, &[("d/a", true)])), Pending::default());
    assert_eq!(take(&mut all, &view(4, &[("d/a", false)])), ["+d/a"]);
}

#[test]
fn identities_are_taken_or_refused_together() {
    let of = |identities: &[(u32, &str)]| View::plain(snapshot(1, identities, &[]));
    let mut all = Subscription::new(ResourceType::Identity, &[], HashMap::new());
    let first = of(&[(256, "10.0.0.1/32"), (257, "10.0.0.2/32")]);
    assert_eq!(refuse(&mut all, &first), ["+256", "+257"]);
    assert_eq!(all.pending(&first), Pending { change: Change::default(), held: true });
    let second = of(&[(256, "10.0.0.1/32"), (257, "10.0.0.2/32"), (258, "10.0.0.3/32")]);
    assert_eq!(take(&mut all, &second), ["+256", "+257", "+258"]);
    assert_eq!(all.pending(&second), Pending::default());
}

#[test]
fn after_an_earlier_type_has_changed_refusals_are_tried_again() {
    let mut all = endpoints(&["*"]);
    let nothing = view(1, &[]);
    assert_eq!(refuse(&mut all, &nothing), [""; 0]);
    assert_eq!(all.pending(&nothing), Pending { change: Change::default(), held: true });
    assert_eq!(all.refused().collect::<Vec<_>>(), [(ResourceType::Endpoint, "*".to_owned())]);
    all.reconsider();
    assert!(all.is_unanswered());
    assert_eq!(take(&mut all, &nothing), [""; 0]);

    let one = view(2, &[("d/a", true)]);
    assert_eq!(refuse(&mut all, &one), ["+d/a"]);
    assert!(all.pending(&one).held);
    all.reconsider();
    assert_eq!(take(&mut all, &one), ["+d/a"]);
}
