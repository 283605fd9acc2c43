//! Whatever a server behind the proxy makes of a path, policy has looked at it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod parts;
mod readers;
mod vectors;

use std::collections::{BTreeMap, HashSet};

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::{Action, DirectionPolicy, Flow, Peers, Ports, Rule, Tier};
use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule, Request};
use postern_policy_core::identity::IdentityId;
use postern_policy_core::path::{Profile, readings};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::RuleId;
use postern_policy_core::port::{PortRange, Protocol, ProtocolMatch};
use proptest::prelude::*;

use parts::decode;
use readers::{READERS, Reader};

/// Paths are the same if they differ in how they write what means the same encoded (RFC 3986 §6.2.2.2), or what no
/// path may hold otherwise than encoded.
fn form(path: &[u8]) -> Vec<u8> {
    let same = |value: u8| value.is_ascii_alphanumeric() || b"-._~\"<>^`{|}\\".contains(&value);
    let once = decode(path, |value| same(value) || value <= b' ' || value >= 0x7f);
    if once == path { once } else { form(&once) }
}

fn split(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(target.iter().position(|byte| *byte == b'?').unwrap_or(target.len()))
}

/// The readings of a target in that form, without the query; `None` where it is refused.
fn found(target: &[u8], profile: Profile) -> Option<HashSet<Vec<u8>>> {
    let (_, query) = split(target);
    let found = readings(target, profile).ok()?;
    Some(found.iter().map(|reading| form(reading.strip_suffix(query).unwrap())).collect())
}

/// The servers whose reading of a target is neither refused nor followed.
fn missed(target: &[u8], profile: Profile) -> Vec<String> {
    let Some(found) = found(target, profile) else { return Vec::new() };
    let (path, _) = split(target);
    let shown = |text: &[u8]| text.escape_ascii().to_string();
    let miss = |reader: &Reader| {
        let read =
            (reader.read)(path).filter(|read| read.starts_with(b"/") && !found.contains(&form(read)))?;
        Some(format!(
            "{profile}: {}: {} is {}, which is not followed",
            reader.name,
            shown(target),
            shown(&read)
        ))
    };
    READERS.iter().filter(|reader| reader.rfc || profile == Profile::Strict).filter_map(miss).collect()
}

const FOLLOWING: [Profile; 2] = [Profile::Strict, Profile::Envoy];

#[test]
fn every_reading_of_every_server_is_followed() {
    let vectors = vectors::all();
    let missed: Vec<String> = FOLLOWING
        .into_iter()
        .flat_map(|profile| vectors.iter().flat_map(move |vector| missed(vector.as_bytes(), profile)))
        .collect();
    let shown = missed.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(missed.is_empty(), "{} of {}×{}:\n{shown}", missed.len(), vectors.len(), READERS.len());
    for profile in FOLLOWING {
        let mut refused = BTreeMap::new();
        for error in vectors.iter().filter_map(|vector| readings(vector.as_bytes(), profile).err()) {
            *refused.entry(error.to_string()).or_insert(0) += 1;
        }
        println!("{profile}: {} vectors, refused: {refused:?}", vectors.len());
    }
}

/// A policy that allows what one of these expressions matches.
fn allowing(paths: &[&str], profile: Profile) -> DirectionPolicy {
    let rule = |path: &&str| HttpRule {
        id: RuleId::new(*path),
        matcher: HttpMatcher::Active(HttpMatch {
            path: Some(Pattern::parse(path).unwrap()),
            ..HttpMatch::default()
        }),
    };
    let port = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first: 80, last: 80 };
    DirectionPolicy {
        default_deny: true,
        rules: vec![
            Rule {
                id: RuleId::new("r"),
                tier: Tier::Normal,
                peers: Peers::Any,
                ports: Ports::Only(vec![port]),
                action: Action::Http(paths.iter().map(rule).collect()),
            }
            .into(),
        ],
        profiles: vec![(port, profile)],
    }
}

/// None of these allows `/admin`, so no server may be asked for it.
const POLICIES: [&[&str]; 6] = [
    &["/public/.*"],
    &["/public", "/public/", "/public/x"],
    &[r".*\.html", "/public.*"],
    &["/.+/.*", "//.*"],
    &["/[^a].*"],
    &["/admin[^/a-z].*", "/.*public.*"],
];

#[test]
fn what_no_rule_allows_is_never_asked_of_any_server() {
    // Rules see the query too: what they allow by it is theirs to say.
    let vectors: Vec<String> = vectors::all().into_iter().filter(|vector| !vector.contains('?')).collect();
    for (profile, paths) in FOLLOWING.into_iter().flat_map(|profile| POLICIES.map(|paths| (profile, paths))) {
        let policy = allowing(paths, profile);
        let passes = |path: &[u8]| {
            let flow = Flow { peer: IdentityId::WORLD, protocol: Protocol::Tcp, port: 80 };
            let request = Request { path: Some(path), ..Request::default() };
            policy.request(&flow, &request).verdict == Verdict::Allow
        };
        assert!(!passes(b"/admin"), "{paths:?}");
        let passed: Vec<&String> = vectors.iter().filter(|vector| passes(vector.as_bytes())).collect();
        let asked = |vector: &&&String| {
            let followed = READERS.iter().filter(|reader| reader.rfc || profile == Profile::Strict);
            followed.filter_map(|reader| (reader.read)(vector.as_bytes())).any(|read| read == b"/admin")
        };
        let asked: Vec<&&String> = passed.iter().filter(asked).collect();
        assert!(asked.is_empty(), "{profile} {paths:?}: {asked:?}");
        println!("{profile} {paths:?}: {} of {} pass", passed.len(), vectors.len());
    }
}

fn odd_path() -> impl Strategy<Value = String> {
    let pieces = [
        "/", "//", "\\", ".", "..", "%2e", "%252e", "%2f", "%5C", "%255c", ";", "%3b", "#", "%23", "%3F",
        "%", "25", "%61", "%3A", ":", "a", "admin", "host", "%20", "=",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..9)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_reading_of_any_odd_path_is_followed(path in odd_path()) {
        for profile in FOLLOWING {
            let missed = missed(path.as_bytes(), profile);
            prop_assert!(missed.is_empty(), "{missed:#?}");
        }
    }
}
