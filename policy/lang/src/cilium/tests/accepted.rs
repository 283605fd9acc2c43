//! What is taken although it looks odd, and what upstream takes only with a flag.

use postern_policy_core::policy::{PeerSelector, PortSelector, Subject};

use super::{load, reads, with_spec};

#[test]
fn what_upstream_has_flags_for_is_on() {
    let flagged = [
        (5, "ingress: [{fromNodes: [{matchLabels: {a: b}}]}]"),
        (8, "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]"),
        (10, "ingress: [{icmps: [{fields: [{type: 8}]}]}]"),
        (
            12,
            "egress: [{toPorts: [{ports: [{protocol: VRRP}, {port: '0', protocol: GRE}, {port: '', protocol: AH}]}]}]",
        ),
    ];
    for (number, lists) in flagged {
        let policy = reads(lists);
        let items = policy.ingress.items.len() + policy.egress.items.len();
        assert_eq!((items, policy.quarantined().len()), (1, 0), "{number}");
    }
}

#[test]
fn nodes_may_be_selected_cluster_wide_and_look_at_dns() {
    let spec = "nodeSelector: {matchLabels: {a: b}}, egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]";
    let (policies, diagnostics) = load(&with_spec("CiliumClusterwideNetworkPolicy", spec));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert!(matches!(&policies[0].subject, Subject::Nodes(selector) if selector.requirements.len() == 1));
    let (id, why) = &policies[0].quarantined()[0];
    assert_eq!((id.as_str(), &**why), ("ccnp/p", "host policies are not enforced yet"));
}

#[test]
fn empty_lists_of_several_kinds_name_nobody() {
    for lists in [
        "ingress: [{fromEndpoints: [], fromCIDR: []}]",
        "ingress: [{fromRequires: []}]",
        "ingress: [{fromGroups: []}]",
        "egress: [{toFQDNs: [], toPorts: [{ports: [{port: '443'}]}]}]",
        "egress: [{toServices: [], toPorts: [{ports: [{port: '443'}]}]}]",
    ] {
        let policy = reads(lists);
        let item = policy.ingress.items.first().or(policy.egress.items.first()).unwrap();
        assert_eq!(item.peers, PeerSelector::AnyOf(Vec::new()), "{lists}");
        assert_eq!(item.unenforced, None, "{lists}");
    }
    let one = reads("ingress: [{fromEndpoints: [], fromEntities: [world], fromRequires: []}]");
    assert!(matches!(&one.ingress.items[0].peers, PeerSelector::AnyOf(terms) if terms.len() == 1));
}

#[test]
fn http_rules_take_names_and_ranges_and_an_empty_list_is_none() {
    let rules = |port: &str, rules: &str| {
        let lists = format!(
            "ingress: [{{toPorts: [{{ports: [{{{port}, protocol: TCP}}], rules: {{http: {rules}}}}}]}}]"
        );
        let policy = reads(&lists);
        let PortSelector::AnyOf(rules) = &policy.ingress.items[0].ports else { panic!("{policy:?}") };
        rules[0].http.as_ref().map(|rules| rules.len())
    };
    assert_eq!(rules("port: web", "[{}]"), Some(1));
    assert_eq!(rules("port: '80', endPort: 90", "[{}, {}]"), Some(2));
    assert_eq!(rules("port: '80'", "[]"), None);
}

#[test]
fn an_entry_without_ports_adds_nothing() {
    for lists in [
        "ingress: [{toPorts: [{}]}]",
        "ingress: [{toPorts: [{rules: {http: [{}]}}]}]",
        "ingress: [{icmps: [{}]}]",
    ] {
        let policy = reads(lists);
        let PortSelector::AnyOf(rules) = &policy.ingress.items[0].ports else { panic!("{policy:?}") };
        assert!(rules[0].ports.is_empty() && policy.ingress.default_deny, "{lists}");
    }
}

#[test]
fn what_only_people_and_tools_read() {
    let policy = reads(
        "ingress: [{}], description: why, log: {value: short}, labels: [{key: a, value: b, source: c}, {key: d}]",
    );
    assert!(policy.quarantined().is_empty());
}
