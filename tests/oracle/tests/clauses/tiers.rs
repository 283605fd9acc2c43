//! §1.5, §2.4: the tiers and their order.

use postern_tests_oracle::label::Selector;
use postern_tests_oracle::policy::Policy::{self, Cilium, Tiered};
use postern_tests_oracle::policy::tiered;
use postern_tests_oracle::policy::tiered::{Action, Peer, Pods, PortMatch, Rule, Tier};
use postern_tests_oracle::port::Protocol;

use crate::support::{A, B, OUTSIDE, app, endpoints, get, http, ingress, item, open};

use Action::{Accept, Deny, Pass};
use Tier::{Admin, Baseline};

fn policy(name: &str, tier: Tier, priority: u16, rules: &[(Action, Selector)]) -> Policy {
    let rule = |(action, pods): &(Action, Selector)| Rule {
        action: *action,
        peers: vec![Peer::Pods(Pods::Pods(Selector::default(), pods.clone()))],
        protocols: Vec::new(),
    };
    Tiered(tiered::Policy {
        name: name.to_owned(),
        audit: false,
        tier,
        priority,
        subject: Pods::Namespaces(Selector::default()),
        ingress: rules.iter().map(rule).collect(),
        egress: Vec::new(),
    })
}

fn check(clause: &str, policies: &[Policy], expected: [&str; 4]) {
    let found = [(A, "/ok"), (A, "/no"), (B, "/ok"), (OUTSIDE, "/ok")];
    assert_eq!(found.map(|(from, path)| get(policies, from, path)), expected, "{clause}");
}

#[test]
fn the_first_rule_of_a_tier_decides() {
    let all = Selector::default;
    let one = |name, tier, priority, action| policy(name, tier, priority, &[(action, all())]);
    check("nothing is denied by default", &[one("p", Admin, 1, Accept)], ["pass"; 4]);
    let ordered = [one("x", Admin, 2, Deny), one("y", Admin, 1, Accept)];
    check("the lower number first", &ordered, ["pass"; 4]);
    let named = [one("y", Admin, 1, Accept), one("x", Admin, 1, Deny)];
    check("at one number, by name", &named, ["drop", "drop", "drop", "pass"]);
    let placed = [policy("p", Admin, 1, &[(Accept, app("a")), (Deny, all())])];
    check("in one policy, by place", &placed, ["pass", "pass", "drop", "pass"]);
    let passed = [policy("p", Admin, 1, &[(Pass, app("a")), (Deny, all())])];
    check("pass leaves the tier", &passed, ["pass", "pass", "drop", "pass"]);
    let both = [policy("p", Admin, 1, &[(Pass, app("a"))]), one("q", Baseline, 1, Deny)];
    check("pass goes on to the next", &both, ["drop", "drop", "drop", "pass"]);
    let left = [policy("p", Baseline, 1, &[(Pass, app("a")), (Deny, all())])];
    check("pass leaves the last tier", &left, ["pass", "pass", "drop", "pass"]);
}

#[test]
fn the_tiers_come_one_after_another() {
    let all = Selector::default;
    let first = || Cilium(ingress(vec![http(endpoints("a"), "/ok")], Vec::new()));
    let admin = |action| policy("p", Admin, 1, &[(action, all())]);
    let baseline = |action| policy("p", Baseline, 1, &[(action, all())]);
    check("accept is final, HTTP or not", &[admin(Accept), first()], ["pass", "pass", "pass", "drop"]);
    check("deny is final", &[admin(Deny), first()], ["drop"; 4]);
    check("pass", &[admin(Pass), first()], ["pass", "403", "drop", "drop"]);
    check("default deny ends it", &[first(), baseline(Accept)], ["pass", "403", "drop", "drop"]);
    let opened = || Cilium(open(ingress(vec![http(endpoints("a"), "/ok")], Vec::new())));
    check("without, the baseline", &[opened(), baseline(Deny)], ["pass", "403", "drop", "pass"]);
    check("without, and nothing said", &[opened(), baseline(Pass)], ["pass"; 4]);
    let denied = Cilium(ingress(Vec::new(), vec![item(endpoints("a"), &[])]));
    check("accept wins over a policy's deny", &[admin(Accept), denied], ["pass", "pass", "pass", "drop"]);
}

#[test]
fn ports_and_what_cannot_be_enforced() {
    let with = |action, peers: Vec<Peer>, protocols: Vec<PortMatch>| {
        let mut policy = policy("p", Admin, 1, &[]);
        if let Tiered(policy) = &mut policy {
            policy.ingress = vec![Rule { action, peers, protocols }];
        }
        [policy]
    };
    let pods = || vec![Peer::Pods(Pods::Namespaces(Selector::default()))];
    let tcp = |ports| vec![PortMatch::Ports(Protocol::Tcp, ports)];
    check("a port", &with(Deny, pods(), tcp((80, 80))), ["drop", "drop", "drop", "pass"]);
    check("a range", &with(Deny, pods(), tcp((81, 90))), ["pass"; 4]);
    let web = vec![PortMatch::Named("web".to_owned())];
    check("a name", &with(Deny, pods(), web), ["drop", "drop", "drop", "pass"]);
}
