//! HTTP rules, and requests near to them.

use postern_tests_oracle::http::{HeaderLine, HeaderMatch, HttpRule, Mismatch, Request};
use postern_tests_oracle::pattern::Pattern;

use crate::names::{HEADERS, HOSTS, METHODS, PATHS, VALUES};
use crate::reader::Reader;

/// How deep expressions go: the reference tries every way there is.
const DEPTH: usize = 2;

pub(crate) fn rule(reader: &mut Reader<'_>) -> HttpRule {
    HttpRule {
        path: reader.maybe(|reader| pattern(reader, &PATHS)),
        method: reader.maybe(|reader| pattern(reader, &METHODS)),
        host: reader.maybe(|reader| pattern(reader, &HOSTS)),
        headers: reader.several(0, 2, header_line),
        header_matches: reader.several(0, 2, header_match),
    }
}

fn header_line(reader: &mut Reader<'_>) -> HeaderLine {
    HeaderLine {
        name: reader.word(&HEADERS).to_owned(),
        value: reader.maybe(|reader| reader.word(&VALUES).to_owned()),
        colon: reader.yes(),
    }
}

fn header_match(reader: &mut Reader<'_>) -> HeaderMatch {
    let mismatches = [Mismatch::Log, Mismatch::Add, Mismatch::Delete, Mismatch::Replace];
    HeaderMatch {
        name: reader.word(&HEADERS).to_owned(),
        value: reader.maybe(|reader| reader.word(&VALUES).to_owned()),
        mismatch: reader.maybe(|reader| reader.one(&mismatches)).flatten(),
        secret: reader.below(10) == 9,
    }
}

/// An expression that has something to do with these texts, or with nothing.
fn pattern(reader: &mut Reader<'_>, texts: &'static [&'static str]) -> Pattern {
    let literal = |text: &str| Pattern::Text(text.to_owned());
    let kind = reader.below(5);
    if kind == 4 {
        return tree(reader, DEPTH);
    }
    let text = reader.word(texts);
    match kind {
        0 => literal(text),
        1 => {
            let length = reader.below(text.len()) + 1;
            let rest = Pattern::Repeat(Box::new(Pattern::Dot), 0, None);
            Pattern::Sequence(vec![literal(text.get(..length).unwrap_or(text)), rest])
        }
        2 => {
            let others = reader.several(1, 2, |reader| literal(reader.word(texts)));
            Pattern::Either([literal(text)].into_iter().chain(others).collect())
        }
        // One character of it is a dot.
        _ => {
            let at = reader.below(text.len());
            let [before, after] = [text.get(..at), text.get(at + 1..)].map(Option::unwrap_or_default);
            let parts = [literal(before), Pattern::Dot, literal(after)];
            Pattern::Sequence(parts.into_iter().filter(|part| *part != literal("")).collect())
        }
    }
}

fn tree(reader: &mut Reader<'_>, depth: usize) -> Pattern {
    const BOUNDS: [(usize, Option<usize>); 6] =
        [(0, None), (1, None), (0, Some(1)), (2, None), (1, Some(3)), (0, Some(0))];
    let inner = |reader: &mut Reader<'_>| tree(reader, depth.saturating_sub(1));
    match reader.below(if depth == 0 { 3 } else { 7 }) {
        0 => Pattern::Text(reader.word(&["/", "a", "public", "/api", "GET", "v1", "?x=1"]).to_owned()),
        1 => Pattern::Dot,
        2 => {
            let classes = [(b'a', b'z'), (b'A', b'Z'), (b'/', b'/'), (b'0', b'9')];
            Pattern::Class(
                reader.several(1, 2, |reader| reader.one(&classes).unwrap_or_default()),
                reader.yes(),
            )
        }
        3 => Pattern::Sequence(reader.several(1, 3, inner)),
        4 => Pattern::Either(reader.several(2, 3, inner)),
        5 => {
            let (least, most) = reader.one(&BOUNDS).unwrap_or_default();
            Pattern::Repeat(Box::new(inner(reader)), least, most)
        }
        _ => Pattern::Group(Box::new(inner(reader))),
    }
}

pub(crate) fn request(reader: &mut Reader<'_>) -> Request {
    let path = reader.word(&PATHS);
    let method = reader.word(&METHODS);
    let host = reader.word(&HOSTS);
    let header = |reader: &mut Reader<'_>| {
        (reader.word(&["x-role", "X-ROLE", "X-Token", "accept"]).to_owned(), reader.word(&VALUES).to_owned())
    };
    Request {
        method: method.to_owned(),
        path: (method != "CONNECT").then(|| path.to_owned()),
        host: host.to_owned(),
        headers: reader.several(0, 3, header),
    }
}
