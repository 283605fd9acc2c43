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
    fn to(&self, path: &[u8]) -> Self {
        Self { path: Some(path.to_vec()), ..self.clone() }
    }

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

/// What a value looks like that one would really meet, the best first. Of paths only those are taken that have one
/// reading (see [`readings`](postern_policy_core::path::readings)).
const PATHS: [&str; 4] = [
    r"/|(/[a-z0-9_-]+(\.[a-z0-9_-]+)*)+/?",
    r"(/|(/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+/?)(\?[!-~]*)?",
    r"/.*",
    r"[^/\\].*",
];
const METHOD_SHAPES: [&str; 2] = ["[A-Z]+", "[!-~]+"];
const HOST_SHAPES: [&str; 3] =
    [r"[a-z0-9-]+(\.[a-z0-9-]+)*", r"[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]+)?", "[!-~]+"];

/// The targets that are not plain to [`Profile::Strict`](postern_policy_core::path::Profile), and maybe a few that are.
const AMBIGUOUS_PATHS: &str = concat!(
    // Without a slash in front: what holds anything that a step looks at.
    r"([^/?][^?]*[/\\%#;\x00-\x20\x7f]|[\\%#;\x00-\x20\x7f])[^?]*(\?.*)?",
    // Empty segments, names that end in a dot, dot segments and names that begin with one.
    r"|/([^?]*[/.])?/.*|/([^?]*/)?\..*|/[^?]*\.(\?.*)?",
    r"|/[^?]*[\\;#\x00-\x20\x7f].*",
    // What is encoded, but for text in another alphabet.
    r"|/[^?]*%([^89a-fA-F].*|[89a-fA-F]([^0-9a-fA-F].*)?|[cC][01].*)?",
);
/// Targets in absolute form.
const ABSOLUTE_PATHS: &str = r"([^/?][^?]*)?://.*";
/// What shows best that paths are read in several ways: the stricter a profile must be to see it, the earlier.
const READ_PATHS: [&str; 10] = [
    r"(/[a-z0-9]+)*/\.\.;(/[a-z0-9]*)*",
    r"(/[a-z0-9]+)*/\.\.(/[a-z0-9]*)*",
    r"/[!-~]*;[!-~]*",
    r"/[!-~]*%2[fF][!-~]*",
    r"(/[!-~]*)?//[!-~]*",
    r"/[!-~]*[\\#][!-~]*",
    r"/[!-~]*%[!-~]*",
    r"/[!-~]*%(00|c0)[!-~]*",
    r"[a-z]+://[a-z]+(/[!-~]*)?",
    r"/.*",
];
/// How many paths of each of these are tried.
const OF_EACH: usize = 12;

/// The shapes, compiled.
#[derive(Debug)]
pub(crate) struct Shapes {
    paths: Vec<PatternId>,
    /// Paths that have several readings, or none.
    ambiguous: Option<PatternId>,
    /// Those of them that name a host.
    absolute: Option<PatternId>,
    /// Paths that servers read in several ways, those that show it best first.
    read: Vec<PatternId>,
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
        Self {
            paths: number(&PATHS),
            ambiguous: number(&[AMBIGUOUS_PATHS]).pop(),
            absolute: number(&[ABSOLUTE_PATHS]).pop(),
            read: number(&READ_PATHS),
            methods: number(&METHOD_SHAPES),
            hosts: number(&HOST_SHAPES),
        }
    }

    /// Every path but those that only have the one reading that they are.
    pub(crate) fn ambiguous(&self) -> Result<PatternId, Open> {
        self.ambiguous.ok_or(Open::Expression)
    }

    /// Every target in absolute form.
    pub(crate) fn absolute(&self) -> Result<PatternId, Open> {
        self.absolute.ok_or(Open::Expression)
    }

    /// A request of a region that is not empty and that `confirmed` takes.
    pub(crate) fn sample(
        &self,
        region: &Region,
        automata: &mut Automata,
        budget: &mut Budget,
        confirmed: &dyn Fn(&Sample) -> bool,
    ) -> Result<Shown, Open> {
        let draft = self.draft(region, automata, budget)?;
        if automata.contains(&region.path, b"/") {
            return check(draft.to(b"/"), confirmed);
        }
        let mut plain = region.path.clone();
        plain.none.insert(self.ambiguous()?);
        for (place, shape) in self.paths.iter().enumerate() {
            if let Some(path) = shaped(&plain, *shape, automata, budget)? {
                return check(draft.to(&path), confirmed);
            }
            // Before paths without a slash: what has no path at all.
            if place + 2 == self.paths.len() && region.path.all.is_empty() {
                if automata.contains(&region.method, b"CONNECT") {
                    let connect = Sample { method: b"CONNECT".to_vec(), path: None, ..draft };
                    return check(connect, confirmed);
                }
                let unreadable = draft.to(UNREADABLE);
                if confirmed(&unreadable) {
                    return Ok(Shown::Sample(unreadable));
                }
            }
        }
        first_of(&draft, &automata.values(&region.path, AMBIGUOUS, budget)?, confirmed)
    }

    /// The same of a region of paths that are read in several ways.
    pub(crate) fn read(
        &self,
        region: &Region,
        automata: &mut Automata,
        budget: &mut Budget,
        confirmed: &dyn Fn(&Sample) -> bool,
    ) -> Result<Shown, Open> {
        let draft = self.draft(region, automata, budget)?;
        for shape in &self.read {
            let mut wanted = region.path.clone();
            wanted.all.insert(*shape);
            let found = automata.values(&wanted, OF_EACH, budget)?;
            if let found @ Shown::Sample(_) = first_of(&draft, &found, confirmed)? {
                return Ok(found);
            }
        }
        first_of(&draft, &automata.values(&region.path, AMBIGUOUS, budget)?, confirmed)
    }

    /// A request of a region, but for its path.
    fn draft(&self, region: &Region, automata: &mut Automata, budget: &mut Budget) -> Result<Sample, Open> {
        let method =
            best(&region.method, &METHODS, &self.methods, automata, budget)?.ok_or(Open::Unconfirmed)?;
        let host = match region.host == Language::default() {
            true => None,
            false => best(&region.host, &HOSTS, &self.hosts, automata, budget)?,
        };
        let headers = region.headers.iter().filter_map(|(name, values)| Some((name.clone(), shown(values)?)));
        Ok(Sample { method, path: None, host, headers: headers.collect() })
    }
}

/// The first of some paths that is confirmed.
fn first_of(draft: &Sample, paths: &[Vec<u8>], confirmed: &dyn Fn(&Sample) -> bool) -> Result<Shown, Open> {
    let found = paths.iter().map(|path| draft.to(path)).find(|tried| confirmed(tried));
    let first = || Shown::Ambiguous(paths.first().cloned().unwrap_or_default());
    Ok(found.map_or_else(first, Shown::Sample))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::LazyLock;

    use postern_policy_core::path::{Profile, readings};
    use proptest::prelude::*;

    use super::*;

    static AMBIGUOUS: LazyLock<Pattern> = LazyLock::new(|| Pattern::parse(AMBIGUOUS_PATHS).unwrap());
    static ABSOLUTE: LazyLock<Pattern> = LazyLock::new(|| Pattern::parse(ABSOLUTE_PATHS).unwrap());

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_not_ambiguous_has_one_reading(
            path in "[a/]{0,2}([a/.%;#?\\\\ :0-9A-F]|%[0-9a-fA-F]{2}|\\PC){0,8}",
        ) {
            let path = path.as_bytes();
            for profile in Profile::EVERY {
                let is_plain = readings(path, profile).is_ok_and(|readings| readings.len() == 1);
                prop_assert!(is_plain || AMBIGUOUS.matches(path), "{}", path.escape_ascii());
            }
            prop_assert!(AMBIGUOUS.matches(path) || !ABSOLUTE.matches(path), "{}", path.escape_ascii());
        }
    }
}
