//! Witnesses: a request out of a region, such as people and programs send.

use std::collections::BTreeSet;

use postern_policy_core::http::Request;
use postern_policy_core::pattern::Pattern;

use crate::automata::{Automata, Language, PatternId};
use crate::budget::{Budget, Open};
use crate::region::{Present, Region, Values};

/// A request with values of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    /// `:method`.
    pub method: Vec<u8>,
    /// `:path`; absent in a CONNECT alone.
    pub path: Option<Vec<u8>>,
    /// `:authority`, where it matters.
    pub host: Option<Vec<u8>>,
    /// The headers that matter.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Sample {
    /// As the core sees it.
    pub fn request(&self) -> Request<'_> {
        Request {
            method: Some(&self.method),
            path: self.path.as_deref(),
            authority: self.host.as_deref(),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect(),
        }
    }
}

const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
const HOSTS: [&str; 2] = ["example.com", "example.org"];
/// No server reads it like another, so that it is let through only where no rule asks for the path.
const UNREADABLE: &[u8] = b"/%00";
/// How many paths that have several readings are tried.
const AMBIGUOUS: usize = 64;

/// What a value looks like that one would really meet, the best first. The paths of the first three have one
/// reading (see [`readings`](postern_policy_core::path::readings)).
const PATHS: [&str; 4] = [
    r"/|(/[a-z0-9_-]+(\.[a-z0-9_-]+)*)+/?",
    r"(/|(/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+/?)(\?[!-~]*)?",
    r"(/|(/([^/.;\\#%?]|%[89a-bd-fA-BD-F][0-9a-fA-F]|%[cC][2-9a-fA-F])([^/;\\#%?]|%[89a-bd-fA-BD-F][0-9a-fA-F]|%[cC][2-9a-fA-F])*)+/?)(\?.*)?",
    r"[^/\\].*",
];
const METHOD_SHAPES: [&str; 2] = ["[A-Z]+", "[!-~]+"];
const HOST_SHAPES: [&str; 3] =
    [r"[a-z0-9-]+(\.[a-z0-9-]+)*", r"[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]+)?", "[!-~]+"];

/// The shapes, compiled.
#[derive(Debug)]
pub(crate) struct Shapes {
    paths: Vec<PatternId>,
    methods: Vec<PatternId>,
    hosts: Vec<PatternId>,
}

/// What a region has to show.
#[derive(Debug)]
pub(crate) enum Shown {
    /// This.
    Sample(Sample),
    /// Paths that have several readings only, such as this one: none that was tried is confirmed.
    Ambiguous(Vec<u8>),
}

impl Shapes {
    pub(crate) fn new(automata: &mut Automata) -> Self {
        let mut number = |shapes: &[&str]| -> Vec<PatternId> {
            // A shape that did not compile would only make witnesses less pretty.
            let patterns = shapes.iter().filter_map(|shape| Pattern::parse(shape).ok());
            patterns.map(|pattern| automata.number(&pattern)).collect()
        };
        Self { paths: number(&PATHS), methods: number(&METHOD_SHAPES), hosts: number(&HOST_SHAPES) }
    }

    /// A request of a region that is not empty and that `confirmed` takes.
    pub(crate) fn sample(
        &self,
        region: &Region,
        automata: &mut Automata,
        budget: &mut Budget,
        confirmed: &dyn Fn(&Sample) -> bool,
    ) -> Result<Shown, Open> {
        let method =
            best(&region.method, &METHODS, &self.methods, automata, budget)?.ok_or(Open::Unconfirmed)?;
        let asked = |language: &Language| *language != Language::default();
        let host = match asked(&region.host) {
            true => best(&region.host, &HOSTS, &self.hosts, automata, budget)?,
            false => None,
        };
        let headers = region.headers.iter().filter_map(|(name, values)| Some((name.clone(), shown(values)?)));
        let sample = |method: &[u8], path: Option<Vec<u8>>| Sample {
            method: method.to_vec(),
            path,
            host: host.clone(),
            headers: headers.clone().collect(),
        };
        if automata.contains(&region.path, b"/") {
            return check(sample(&method, Some(b"/".to_vec())), confirmed);
        }
        for (place, shape) in self.paths.iter().enumerate() {
            if let Some(path) = shaped(&region.path, *shape, automata, budget)? {
                return check(sample(&method, Some(path)), confirmed);
            }
            // Before paths without a slash: what has no path at all.
            if place + 2 == self.paths.len() && region.path.all.is_empty() {
                if automata.contains(&region.method, b"CONNECT") {
                    return check(sample(b"CONNECT", None), confirmed);
                }
                let unreadable = sample(&method, Some(UNREADABLE.to_vec()));
                return check(unreadable, confirmed);
            }
        }
        let mut first = None;
        for path in automata.values(&region.path, AMBIGUOUS, budget)? {
            let tried = sample(&method, Some(path.clone()));
            if confirmed(&tried) {
                return Ok(Shown::Sample(tried));
            }
            first = first.or(Some(path));
        }
        Ok(Shown::Ambiguous(first.unwrap_or_default()))
    }
}

fn check(sample: Sample, confirmed: &dyn Fn(&Sample) -> bool) -> Result<Shown, Open> {
    match confirmed(&sample) {
        true => Ok(Shown::Sample(sample)),
        false => Err(Open::Unconfirmed),
    }
}

/// A value of a language: one of the usual ones, else the shortest of the best shape, else any.
fn best(
    language: &Language,
    usual: &[&str],
    shapes: &[PatternId],
    automata: &mut Automata,
    budget: &mut Budget,
) -> Result<Option<Vec<u8>>, Open> {
    if let Some(usual) = usual.iter().find(|usual| automata.contains(language, usual.as_bytes())) {
        return Ok(Some(usual.as_bytes().to_vec()));
    }
    for shape in shapes {
        if let Some(value) = shaped(language, *shape, automata, budget)? {
            return Ok(Some(value));
        }
    }
    Ok(automata.values(language, 1, budget)?.pop())
}

fn shaped(
    language: &Language,
    shape: PatternId,
    automata: &mut Automata,
    budget: &mut Budget,
) -> Result<Option<Vec<u8>>, Open> {
    let mut wanted = language.clone();
    wanted.all.insert(shape);
    Ok(automata.values(&wanted, 1, budget)?.pop())
}

fn shown(values: &Values) -> Option<Vec<u8>> {
    if values.absent {
        return None;
    }
    match &values.present {
        Present::Only(values) => values.first().cloned(),
        Present::AllBut(values) => Some(other_than(values)),
    }
}

fn other_than(values: &BTreeSet<Vec<u8>>) -> Vec<u8> {
    let candidates =
        std::iter::once("other".to_owned()).chain((1..=values.len()).map(|n| format!("other{n}")));
    candidates.map(String::into_bytes).find(|value| !values.contains(value)).unwrap_or_default()
}
