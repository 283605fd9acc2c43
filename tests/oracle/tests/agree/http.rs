//! HTTP rules, and requests near to them.

use postern_tests_oracle::http::{HeaderLine, HeaderMatch, HttpRule, Mismatch, Request};
use postern_tests_oracle::pattern::Pattern;
use proptest::prelude::*;

use crate::features::{Feature, choose, of, sometimes};
use crate::names::{HOSTS, METHODS, PATHS};

const HEADERS: [&str; 2] = ["X-Role", "x-token"];
const VALUES: [&str; 3] = ["admin", "Admin", "42"];

/// A list: with nothing in it, with a rule that asks for nothing, with more.
pub(crate) fn rules() -> BoxedStrategy<Vec<HttpRule>> {
    prop_oneof![
        1 => Just(Vec::new()),
        1 => Just(vec![HttpRule::default()]),
        8 => proptest::collection::vec(rule(), 1..=3),
    ]
    .boxed()
}

fn rule() -> BoxedStrategy<HttpRule> {
    let parts = (
        sometimes(50, None, pattern(&METHODS)),
        sometimes(70, None, pattern(&PATHS)),
        sometimes(20, None, pattern(&HOSTS)),
        sometimes(25, None, proptest::collection::vec(header_line(), 1..=2)),
        sometimes(20, Some(Feature::HeaderMatches), proptest::collection::vec(header_match(), 1..=2)),
    );
    parts
        .prop_map(|(method, path, host, headers, matches)| HttpRule {
            method,
            path,
            host,
            headers: headers.unwrap_or_default(),
            header_matches: matches.unwrap_or_default(),
        })
        .boxed()
}

fn header_line() -> BoxedStrategy<HeaderLine> {
    (of(&HEADERS), sometimes(60, None, of(&VALUES)), any::<bool>())
        .prop_map(|(name, value, colon)| HeaderLine {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            colon,
        })
        .boxed()
}

fn header_match() -> BoxedStrategy<HeaderMatch> {
    let mismatch = of(&[Mismatch::Log, Mismatch::Log, Mismatch::Add, Mismatch::Delete, Mismatch::Replace]);
    let parts = (of(&HEADERS), sometimes(60, None, of(&VALUES)), sometimes(40, None, mismatch), 0..10_u8);
    parts
        .prop_map(|(name, value, mismatch, secret)| HeaderMatch {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            mismatch,
            secret: secret == 0,
        })
        .boxed()
}

/// Expressions that have something to do with these texts, or with nothing.
fn pattern(texts: &'static [&'static str]) -> BoxedStrategy<Pattern> {
    // The first of a table is what requests have most often.
    let text = || prop_oneof![2 => Just(texts[0]), 3 => of(texts)];
    let whole = || text().prop_map(|text| Pattern::Text(text.to_owned()));
    let beginning = (text(), any::<proptest::sample::Index>()).prop_map(|(text, index)| {
        let length = index.index(text.len()) + 1;
        let rest = Pattern::Repeat(Box::new(Pattern::Dot), 0, None);
        Pattern::Sequence(vec![Pattern::Text(text[..length].to_owned()), rest])
    });
    let several = proptest::collection::vec(whole(), 2..=3).prop_map(Pattern::Either);
    // One character of it is a dot.
    let dotted = (text(), any::<proptest::sample::Index>()).prop_map(|(text, index)| {
        let at = index.index(text.len());
        let parts = vec![
            Pattern::Text(text[..at].to_owned()),
            Pattern::Dot,
            Pattern::Text(text[at + 1..].to_owned()),
        ];
        Pattern::Sequence(parts.into_iter().filter(|part| *part != Pattern::Text(String::new())).collect())
    });
    choose(vec![
        (4, None, whole().boxed()),
        (2, None, beginning.boxed()),
        (2, None, several.boxed()),
        (2, None, dotted.boxed()),
        (2, None, tree()),
    ])
}

fn tree() -> BoxedStrategy<Pattern> {
    let leaf = prop_oneof![
        of(&["/", "a", "public", "/api", "GET", "v1", "?x=1"])
            .prop_map(|text| Pattern::Text(text.to_owned())),
        Just(Pattern::Dot),
        (of(&[vec![(b'a', b'z')], vec![(b'A', b'Z'), (b'0', b'9')], vec![(b'/', b'/')]]), any::<bool>())
            .prop_map(|(ranges, negated)| Pattern::Class(ranges, negated)),
    ];
    let bounds = of(&[(0, None), (1, None), (0, Some(1)), (2, None), (1, Some(3)), (0, Some(0))]);
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..=3).prop_map(Pattern::Sequence),
            2 => proptest::collection::vec(inner.clone(), 2..=3).prop_map(Pattern::Either),
            2 => (inner.clone(), bounds.clone())
                .prop_map(|(inner, (least, most))| Pattern::Repeat(Box::new(inner), least, most)),
            1 => inner.prop_map(|inner| Pattern::Group(Box::new(inner))),
        ]
    })
    .boxed()
}

pub(crate) fn request() -> BoxedStrategy<Request> {
    let header = (of(&["x-role", "X-ROLE", "X-Token", "accept"]), of(&VALUES));
    let headers = proptest::collection::vec(header, 0..=2);
    let method = prop_oneof![4 => Just("GET"), 2 => Just("POST"), 1 => Just("HEAD"), 1 => Just("CONNECT")];
    let path = prop_oneof![2 => Just(PATHS[0]), 3 => of(&PATHS)];
    (method, path, of(&HOSTS), headers)
        .prop_map(|(method, path, host, headers)| Request {
            method: method.to_owned(),
            path: (method != "CONNECT").then(|| path.to_owned()),
            host: host.to_owned(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
        .boxed()
}
