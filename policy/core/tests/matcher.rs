//! What a policy set finds is what its rules say, one by one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use postern_policy_core::decide::{Decision, LONGEST_PATH, Reason, Verdict};
use postern_policy_core::endpoint::{
    Action, Audit, DirectionPolicy, EndpointPolicy, Flow, Peers, Ports, Rule, Tier,
};
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::identity::{AddressTable, IdentityId};
use postern_policy_core::matcher::{MOST_CANDIDATES, NEAREST_AMONG};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::{Direction, RuleId};
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};
use postern_policy_core::set::{Attached, Attachment, Connection, PolicySet};
use postern_policy_core::world::WorkloadName;
use proptest::prelude::*;
use proptest::sample::select;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};

/// A set of one workload, to which these rules apply on ingress. The peer 10.0.0.N is identity N.
fn set(policy: &DirectionPolicy) -> PolicySet {
    let name = WorkloadName { namespace: "default".to_owned(), name: "app".to_owned() };
    let endpoint = EndpointPolicy {
        name: name.clone(),
        addresses: vec![],
        ingress: policy.clone(),
        egress: DirectionPolicy::default(),
        audit: Audit { ingress: Some(policy.clone()), egress: None },
    };
    let table = AddressTable::from_iter((1..=250).map(|peer| (address(peer).into(), IdentityId(peer))));
    let direction = Some(Attached::To(Direction::Ingress));
    let attachment = Attachment { direction, endpoint: Some(name), ..Attachment::default() };
    PolicySet::new(vec![endpoint], table, attachment).unwrap()
}

fn address(peer: u32) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(peer).unwrap()])
}

fn connection(peer: u32, port: u16) -> Connection {
    let destination = SocketAddr::from(([127, 0, 0, 1], port));
    Connection { source: SocketAddr::new(address(peer), 1), destination, direction: Direction::Ingress }
}

/// The decision of the set, and that of the rules one by one.
fn both<'p>(
    set: &'p PolicySet,
    policy: &'p DirectionPolicy,
    (peer, port): (u32, u16),
    request: &Request<'_>,
) -> (Decision<'p>, Decision<'p>) {
    let flow = Flow { peer: IdentityId(peer), protocol: Protocol::Tcp, port };
    let connection = connection(peer, port);
    assert_eq!(set.connection(&connection).decision, policy.connection(&flow), "{flow:?}");
    let judged = set.request(&connection, request);
    assert_eq!(
        judged.audit.as_ref(),
        Some(&judged.decision),
        "what is tried is the same, and so is what is found"
    );
    (judged.decision, policy.request(&flow, request))
}

fn pattern(from: &'static [&'static str]) -> impl Strategy<Value = Option<Pattern>> {
    proptest::option::weighted(0.8, select(from).prop_map(|source| Pattern::parse(source).unwrap()))
}

const METHODS: &[&str] = &["GET", "POST", "GET|HEAD", "P(OST|UT)", "[A-Z]+", "G.*", "(?i)get"];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/b",
    "/a/b",
    "/a|/b",
    "/a(/.*)?",
    "/a(\\?.*)?",
    "/a/.*",
    "/a/[0-9]+",
    "/a/b/.*",
    "/[ab]/x",
    ".*",
    "/.*",
    ".*/needle/.*",
    "/.*needle",
    "/x.*needle-two.*",
    "(/one-thing|/other-thing).*",
    "/[^/]*/b",
    "/a\\.b",
    "/a.b",
    "^/a$",
    "^/a/.*$",
    "(/a)(/b)",
    "/a{2}",
    "/a?",
    "(/a/b)+",
    "(?i)/a/b",
    "/a/b\\?x=.*",
    "/é/.*",
    "/[^\\x00-\\x7F]",
    "",
    "/\\bx\\b.*",
    "/a/(b|c)/d",
    "(/a/b|/a/c).*",
    "/service-17/v[0-9]/items",
];
const HOSTS: &[&str] = &[
    "a.example",
    "a\\.example",
    "b\\.example(:[0-9]+)?",
    ".*\\.example",
    "a|b",
    "[a-z]+",
    "a.*b",
    ".*-example",
];
const HEADERS: &[(&str, Option<&str>)] =
    &[("X-Role", Some("admin")), ("x-role", None), ("X-Role", Some("user")), ("Other", None)];

fn http_rule() -> impl Strategy<Value = HttpMatcher> {
    let headers = proptest::collection::vec(select(HEADERS), 0..2).prop_map(|headers| {
        let header = |(name, value): (&str, Option<&str>)| HeaderMatch {
            name: name.to_owned(),
            value: value.map(|value| value.as_bytes().to_vec()),
        };
        headers.into_iter().map(header).collect::<Vec<_>>()
    });
    let fields = (pattern(METHODS), pattern(PATHS), pattern(HOSTS), headers, 0..12);
    fields.prop_map(|(method, path, host, headers, odd)| match odd {
        0 => HttpMatcher::Quarantined("odd".into()),
        // Most rules ask for one or two fields.
        1..4 => HttpMatcher::Active(HttpMatch { method, path, host, headers }),
        4..6 => HttpMatcher::Active(HttpMatch { path, headers, ..HttpMatch::default() }),
        6..8 => HttpMatcher::Active(HttpMatch { path, host, ..HttpMatch::default() }),
        _ => HttpMatcher::Active(HttpMatch { method, path, ..HttpMatch::default() }),
    })
}

/// Whether default deny is on, and rules that get their names later.
type Drawn = (bool, Vec<(Tier, Peers, Ports, Option<Action>, Vec<HttpMatcher>)>);

fn rules(most: usize, plain: u32) -> impl Strategy<Value = Drawn> {
    let peers = prop_oneof![
        2 => Just(Peers::Any),
        3 => proptest::collection::btree_set(1..5_u32, 0..4).prop_map(|ids| {
            let ids: BTreeSet<IdentityId> = ids.into_iter().map(IdentityId).collect();
            Peers::Only(Arc::new(ids))
        })
    ];
    let range = (0..5_u16, 0..4_u16, 0..6).prop_map(|(first, more, protocol)| PortRange {
        protocol: match protocol {
            0 => ProtocolMatch::Any,
            1 => ProtocolMatch::Only(Protocol::Udp),
            _ => ProtocolMatch::Only(Protocol::Tcp),
        },
        first,
        last: if more == 3 { u16::MAX } else { first + more },
    });
    let ports = prop_oneof![
        2 => Just(Ports::All),
        3 => proptest::collection::vec(range, 0..3).prop_map(Ports::Only)
    ];
    let tier = prop_oneof![
        1 => Just(Tier::Admin),
        5 => Just(Tier::Normal),
        1 => Just(Tier::Default),
        1 => Just(Tier::Baseline)
    ];
    let action = prop_oneof![
        plain => select(vec![
            Action::Allow,
            Action::Deny,
            Action::Pass,
            Action::Quarantined("odd".into()),
        ]).prop_map(Some),
        9 => Just(None)
    ];
    let http = proptest::collection::vec(http_rule(), 0..4);
    let rules = proptest::collection::vec((tier, peers, ports, action, http), 0..most);
    (prop::bool::weighted(0.8), rules)
}

fn policy((default_deny, rules): Drawn) -> DirectionPolicy {
    let rule =
        |(index, (tier, peers, ports, action, http)): (usize, (Tier, _, _, Option<Action>, Vec<_>))| {
            let http = http
                .into_iter()
                .enumerate()
                .map(|(place, matcher)| HttpRule { id: RuleId::new(format!("{index}/{place}")), matcher });
            let action = action.unwrap_or_else(|| Action::Http(http.collect()));
            Arc::new(Rule { id: RuleId::new(index.to_string()), tier, peers, ports, action })
        };
    DirectionPolicy {
        default_deny,
        rules: rules.into_iter().enumerate().map(rule).collect(),
        ..DirectionPolicy::default()
    }
}

/// Values made of the pieces that the expressions above know.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"/",
        b"a",
        b"b",
        b"/a",
        b"/a/b",
        b"/b",
        b"/needle/",
        b"needle",
        b"needle-two",
        b"/one-thing",
        b"?x=",
        b"?",
        b"1",
        b"7",
        b".",
        b"..",
        b"%61",
        b"\n",
        b"\xff",
        b"/x",
        b"/service-17",
        b"/v1/items",
        "/é/".as_bytes(),
        b";",
        b"B",
        b"\x80",
        b"/c/d",
    ];
    proptest::collection::vec(select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

type Asked = (u32, u16, Option<&'static [u8]>, Option<Vec<u8>>, Option<&'static [u8]>, Vec<(usize, usize)>);

fn asked() -> impl Strategy<Value = Asked> {
    let method: Vec<Option<&'static [u8]>> =
        vec![None, Some(b"GET"), Some(b"GET"), Some(b"HEAD"), Some(b"POST"), Some(b"PUT"), Some(b"odd\xff")];
    let host: Vec<Option<&'static [u8]>> = vec![
        None,
        Some(b"a.example"),
        Some(b"a-example"),
        Some(b"b.example:80"),
        Some(b"a"),
        Some(b"zz"),
        Some(b"a.a.example.b"),
    ];
    let headers = proptest::collection::vec((0..3_usize, 0..3_usize), 0..3);
    let path = proptest::option::weighted(0.9, path());
    (1..7_u32, 0..9_u16, select(method), path, select(host), headers)
}

fn request((_, _, method, path, authority, headers): &Asked) -> Request<'_> {
    const NAMES: [&[u8]; 3] = [b"x-role", b"X-ROLE", b"other"];
    const VALUES: [&[u8]; 3] = [b"admin", b"user", b""];
    Request {
        method: *method,
        path: path.as_deref(),
        authority: *authority,
        headers: headers.iter().map(|(name, value)| (NAMES[*name], VALUES[*value])).collect(),
    }
}

/// Random expressions over a small alphabet.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => select(vec!["a", "b", "/", "ab", "/a", "abcdefgh", "\\.", "é", "\\?"]).prop_map(ToOwned::to_owned),
        3 => select(vec![".", ".*", ".+", "[ab]", "[^/]", "[0-9]", "\\n", "\\w", "[^a]"]).prop_map(ToOwned::to_owned),
        1 => select(vec!["^", "$", "\\b", "(?i)a", "(?:)", "(?m)^"]).prop_map(ToOwned::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
            2 => (inner, select(vec!["*", "+", "?", "{2}", "{0,3}", "{2,}", "*?", "{0}"]))
                .prop_map(|(part, times)| format!("({part}){times}")),
        ]
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = select(b"aabb//0.?A\n\xff\xc3\xa9x".to_vec());
    prop_oneof![
        3 => proptest::collection::vec(byte, 0..12),
        1 => path(),
        1 => Just(b"abcdefgh".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_set_decides_what_its_rules_say(
        rules in rules(14, 4),
        asked in proptest::collection::vec(asked(), 1..20)
    ) {
        let policy = policy(rules);
        let set = set(&policy);
        for asked in &asked {
            let (found, said) = both(&set, &policy, (asked.0, asked.1), &request(asked));
            prop_assert_eq!(found, said, "{:?}", asked);
        }
    }

    #[test]
    fn an_automaton_matches_what_the_library_matches(
        source in expression(),
        values in proptest::collection::vec(value(), 1..12)
    ) {
        let Ok(pattern) = Pattern::parse(&source) else { return Ok(()) };
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().utf8(false))
            .build_from_hir(&pattern.hir().unwrap())
            .unwrap();
        let library = PikeVM::new_from_nfa(nfa).unwrap();
        for value in values {
            let matches = library.is_match(&mut library.create_cache(), &value);
            prop_assert_eq!(pattern.matches(&value), matches, "{:?} on {:?}", source, value);
        }
    }

    #[test]
    fn no_match_of_any_expression_is_lost(
        sources in proptest::collection::vec(expression(), 1..40),
        values in proptest::collection::vec(value(), 1..12)
    ) {
        let patterns = sources.iter().filter_map(|source| Pattern::parse(source).ok());
        let rules = patterns.map(|path| HttpMatch { path: Some(path), ..HttpMatch::default() });
        let policy = port_80(rules.collect());
        let set = set(&policy);
        for value in values {
            let request = Request { path: Some(&value), ..Request::default() };
            let (found, said) = both(&set, &policy, (1, 80), &request);
            prop_assert_eq!((found.verdict, found.rule()), (said.verdict, said.rule()), "{:?}", value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// Past some sizes rules are told apart by their other fields as well.
    #[test]
    fn many_rules_decide_what_they_say(
        rules in rules(400, 0),
        asked in proptest::collection::vec(asked(), 1..40)
    ) {
        let policy = policy(rules);
        let set = set(&policy);
        for asked in &asked {
            let (found, said) = both(&set, &policy, (asked.0, asked.1), &request(asked));
            let brief = |decision: &Decision<'_>| (decision.verdict, decision.layer, decision.reason.code());
            prop_assert_eq!(brief(&found), brief(&said), "{:?}", asked);
            prop_assert_eq!(found.rule(), said.rule(), "{:?}", asked);
        }
    }
}

/// Expressions for hosts: of whole ones, of all below a domain, of a few domains.
fn host_expression() -> impl Strategy<Value = String> {
    let tenant = (0..60_u32, select(vec!["", "-eu", "-us"]))
        .prop_map(|(tenant, region)| format!("tenant{tenant}{region}"));
    let domain = select(vec!["example\\.com", "example\\.org", "internal", "com|org", ".*"]);
    let form = select(vec![
        r".*\.T\.(D)",
        r"T\.(D)",
        r"[a-z]+\.T\.(D)(:[0-9]+)?",
        r".*(\.T|-T)\.(D)",
        r"(a|b)\.T\.(D)",
        r".*T.*",
        r"[^.]*\.(D)",
    ]);
    (tenant, domain, form).prop_map(|(tenant, domain, form)| form.replace('T', &tenant).replace('D', domain))
}

fn host() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "a",
        "b",
        ".",
        "-",
        "tenant1",
        "tenant7-eu",
        "tenant42",
        ".example.com",
        ".internal",
        ":80",
    ]);
    let tenant = (select(vec!["a", "b", "app", "x-y"]), 0..60_u32, select(vec!["", "-eu", "-us"]))
        .prop_flat_map(|(name, tenant, region)| {
            let domain = select(vec!["example.com", "example.org", "internal", "com", "com:80", "else"]);
            domain.prop_map(move |domain| format!("{name}.tenant{tenant}{region}.{domain}"))
        });
    prop_oneof![3 => tenant, 1 => proptest::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Rules that the path does not tell apart are by their hosts.
    #[test]
    fn no_match_of_any_host_is_lost(
        rules in proptest::collection::vec((host_expression(), select(vec![None, Some("/a"), Some("/.*")])), 1..200),
        hosts in proptest::collection::vec(host(), 1..20)
    ) {
        let parse = |source: &str| Some(Pattern::parse(source).unwrap());
        let rule = |(host, path): &(String, Option<&str>)| HttpMatch {
            host: parse(host),
            path: path.and_then(parse),
            ..HttpMatch::default()
        };
        let policy = port_80(rules.iter().map(rule).collect());
        let set = set(&policy);
        for host in hosts {
            let request = Request { path: Some(b"/a"), authority: Some(host.as_bytes()), ..Request::default() };
            let (found, said) = both(&set, &policy, (1, 80), &request);
            prop_assert_eq!((found.verdict, found.rule()), (said.verdict, said.rule()), "{:?}", host);
        }
    }
}

#[test]
fn hosts_below_many_domains_are_told_apart() {
    let host = |tenant: usize| Some(Pattern::parse(&format!(r".*\.tenant{tenant}\.example\.com")).unwrap());
    let rule = |tenant| HttpMatch {
        host: host(tenant),
        path: Some(Pattern::parse("/api/.*").unwrap()),
        ..HttpMatch::default()
    };
    let many = 8 * usize::try_from(MOST_CANDIDATES).unwrap();
    let policy = port_80((0..many).map(rule).collect());
    let set = set(&policy);
    let asked = |host: &str| {
        let request =
            Request { path: Some(b"/api/x"), authority: Some(host.as_bytes()), ..Request::default() };
        let decision = set.request(&connection(1, 80), &request).decision;
        (decision.verdict, decision.rule().map(|rule| rule.as_str().to_owned()))
    };
    assert_eq!(asked("a.tenant7000.example.com"), (Verdict::Allow, Some("7000".to_owned())));
    assert_eq!(asked("a.tenant.example.com"), (Verdict::Deny, None));
    // Going through a long host counts as well.
    assert_eq!(asked(&"a.tenant7000.example.com".repeat(40_000)), (Verdict::Deny, None));
}

fn port_80(rules: Vec<HttpMatch>) -> DirectionPolicy {
    let rules = rules.into_iter().enumerate().map(|(index, wanted)| HttpRule {
        id: RuleId::new(index.to_string()),
        matcher: HttpMatcher::Active(wanted),
    });
    let range = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 };
    let rule = Rule {
        id: RuleId::new("rule"),
        tier: Tier::Normal,
        peers: Peers::Any,
        ports: Ports::Only(vec![range]),
        action: Action::Http(rules.collect()),
    };
    DirectionPolicy { default_deny: true, rules: vec![rule.into()], ..DirectionPolicy::default() }
}

fn paths(sources: impl Iterator<Item = String>) -> DirectionPolicy {
    let path = |source: String| Some(Pattern::parse(&source).unwrap());
    port_80(sources.map(|source| HttpMatch { path: path(source), ..HttpMatch::default() }).collect())
}

fn reason(set: &PolicySet, path: &[u8]) -> (Verdict, &'static str) {
    let request = Request { path: Some(path), ..Request::default() };
    let decision = set.request(&connection(1, 80), &request).decision;
    (decision.verdict, decision.reason.code())
}

#[test]
fn a_path_that_is_too_long_is_allowed_only_whatever_it_is() {
    let long = format!("/{}", "a".repeat(LONGEST_PATH));
    let all = set(&paths(["/.*".to_owned()].into_iter()));
    assert_eq!(reason(&all, long.as_bytes()), (Verdict::Deny, "path-too-long"));
    assert_eq!(reason(&all, &long.as_bytes()[..LONGEST_PATH]), (Verdict::Allow, "allowed-by-rule"));
    let any = set(&port_80(vec![HttpMatch::default()]));
    assert_eq!(reason(&any, long.as_bytes()), (Verdict::Allow, "allowed-by-rule"));
    let policy = paths(["/.*".to_owned()].into_iter());
    let flow = Flow { peer: IdentityId(1), protocol: Protocol::Tcp, port: 80 };
    let request = Request { path: Some(long.as_bytes()), ..Request::default() };
    assert_eq!(policy.request(&flow, &request).reason, Reason::PathTooLong(long.len()));
}

#[test]
fn more_candidates_than_can_be_compared_are_denied() {
    let most = usize::try_from(MOST_CANDIDATES).unwrap();
    let shapeless = |count: usize| {
        paths((0..count).map(|index| format!("/[a-z]*[0-9]{{{}}}[A-Z]{{{}}}", index % 40, index / 40)))
    };
    let within = set(&shapeless(most));
    assert_eq!(reason(&within, b"/nothing!"), (Verdict::Deny, "no-match"));
    let beyond = set(&shapeless(most + 1));
    assert_eq!(reason(&beyond, b"/nothing!"), (Verdict::Deny, "too-many-candidates"));
    assert_eq!(reason(&beyond, b"/a12"), (Verdict::Allow, "allowed-by-rule"), "what is found in time");
    let forty = set(&shapeless(40));
    assert_eq!(reason(&forty, &[b'/'; LONGEST_PATH]), (Verdict::Deny, "no-match"), "the longest path");
}

#[test]
fn the_nearest_miss_is_exact_among_the_first_rules_and_the_candidates() {
    let rule = |index: usize| HttpMatch {
        method: Some(Pattern::parse("GET").unwrap()),
        path: Some(Pattern::parse(&format!("/item-{index}/x")).unwrap()),
        ..HttpMatch::default()
    };
    let policy = port_80((0..10_000).map(rule).collect());
    let set = set(&policy);
    let nearest = |method: &'static [u8], path: &'static [u8]| {
        let request = Request { method: Some(method), path: Some(path), ..Request::default() };
        let decision = set.request(&connection(1, 80), &request).decision;
        let Reason::NoMatch(Some(miss)) = decision.reason else { panic!("{decision:?}") };
        miss.rule.as_str().to_owned()
    };
    assert_eq!(nearest(b"GET", b"/item-9000/y"), "0", "all of them miss the path");
    const { assert!(NEAREST_AMONG < 9_000) };
    assert_eq!(nearest(b"POST", b"/item-9000/x"), "0", "and here the method");
}
