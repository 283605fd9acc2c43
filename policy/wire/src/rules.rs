//! HTTP rules, one by one: what is written as in an earlier bundle is taken from there.
//!
//! Of thousands of rules an update changes a few. Each is compared with what the earlier bundle has at about the same
//! place; what a rule means follows from its text alone.

use std::borrow::Cow;
use std::ops::Range;

use postern_policy_core::bytes;
use postern_policy_core::http::{HeaderMatch, HttpMatch, HttpMatcher, HttpRule as Rule};
use postern_policy_core::pattern::{Pattern, PatternError, Reader};
use postern_policy_core::policy::RuleId;
use postern_policy_core::set::Policies;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{BundleError, Quarantined, TOP};
use crate::document::{Header, HttpRule};

/// What is carried along while policies are compiled.
#[derive(Default)]
pub(crate) struct Reading<'j, 'e> {
    /// The rules that could not be compiled.
    pub(crate) quarantined: Vec<Quarantined>,
    /// The HTTP rules that came as text, in their order.
    pub(crate) texts: Vec<&'j str>,
    expressions: Reader,
    earlier: Vec<Earlier<'e>>,
}

/// What an HTTP rule is read from.
pub(crate) trait Source<'j> {
    /// The rule. One that does not compile is quarantined by itself: it never voids the bundle.
    fn read(self, reading: &mut Reading<'j, '_>) -> Result<Rule, BundleError>;
}

/// The HTTP rules of an earlier bundle, in their order, and where in its text they are.
pub(crate) struct Earlier<'e> {
    text: &'e [u8],
    rules: Vec<(&'e Range<usize>, &'e Rule)>,
    /// Where the next one is expected.
    next: usize,
    /// How many have not been found since one was.
    missed: usize,
}

/// How far from the expected place a rule is looked for: that many rules may come or go at once.
const NEAR: usize = 8;
/// After so many misses it is only looked for at the expected place.
const GIVEN_UP: usize = 64;

impl<'e> Earlier<'e> {
    /// `places` are those of the rules that were read into the policies, in the order of the text.
    pub(crate) fn new(text: &'e [u8], places: &'e [Range<usize>], policies: &'e Policies) -> Self {
        Self { text, rules: places.iter().zip(policies.http_rules()).collect(), next: 0, missed: 0 }
    }

    fn find(&mut self, text: &str) -> Option<&'e Rule> {
        let expected = self.next;
        let near = if self.missed < GIVEN_UP { NEAR } else { 0 };
        let around = (expected..=expected + near).chain((expected.saturating_sub(near)..expected).rev());
        let found =
            around.filter_map(|place| Some((place, self.rules.get(place)?))).find(|(_, (range, _))| {
                self.text.get((*range).clone()).is_some_and(|known| bytes::same(known, text.as_bytes()))
            });
        self.next = found.map_or(expected, |(place, _)| place) + 1;
        self.missed = if found.is_some() { 0 } else { self.missed + 1 };
        found.map(|(_, (_, rule))| *rule)
    }
}

impl<'e> Reading<'_, 'e> {
    pub(crate) fn after(earlier: Vec<Earlier<'e>>) -> Self {
        let texts = Vec::with_capacity(earlier.iter().map(|earlier| earlier.rules.len()).max().unwrap_or(0));
        Self { earlier, texts, ..Self::default() }
    }

    /// Gives back what was kept of expressions: what comes next needs the memory.
    pub(crate) fn forget_expressions(&mut self) {
        self.expressions = Reader::default();
    }

    pub(crate) fn quarantine(&mut self, rule: &RuleId, reason: &str) {
        self.quarantined.push(Quarantined { rule: rule.clone(), reason: reason.to_owned() });
    }
}

/// Text of a bundle as it stands there, unless something in it is escaped.
#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'j, S: AsRef<str>> Source<'j> for HttpRule<S> {
    fn read(self, reading: &mut Reading<'j, '_>) -> Result<Rule, BundleError> {
        let id = RuleId::new(self.id.as_ref());
        let matched = match &self.quarantined {
            Some(why) => Err(why.as_ref().to_owned()),
            None => http_match(&self, &mut reading.expressions),
        };
        let matcher = match matched {
            Ok(matched) => HttpMatcher::Active(matched),
            Err(reason) => {
                reading.quarantine(&id, &reason);
                HttpMatcher::Quarantined(reason.into())
            }
        };
        Ok(Rule { id, matcher })
    }
}

impl<'j> Source<'j> for &'j RawValue {
    fn read(self, reading: &mut Reading<'j, '_>) -> Result<Rule, BundleError> {
        let text = self.get();
        let known = reading.earlier.iter_mut().find_map(|earlier| earlier.find(text)).cloned();
        let rule = match known {
            Some(rule) => {
                if let HttpMatcher::Quarantined(why) = &rule.matcher {
                    reading.quarantine(&rule.id, why);
                }
                rule
            }
            None => serde_json::from_str::<HttpRule<Text<'_>>>(text)
                .map_err(|error| BundleError::Shape { path: TOP.to_owned(), message: error.to_string() })?
                .read(reading)?,
        };
        reading.texts.push(text);
        Ok(rule)
    }
}

fn http_match<S: AsRef<str>>(rule: &HttpRule<S>, expressions: &mut Reader) -> Result<HttpMatch, String> {
    let mut pattern = |field: &str, text: &Option<S>, read: Read| {
        let text = text.as_ref().map(AsRef::as_ref);
        text.map(|text| read(expressions, text).map_err(|error| format!("{field}: {error}"))).transpose()
    };
    let header = |Header { name, value }: &Header<S>| HeaderMatch {
        name: name.as_ref().to_owned(),
        value: value.as_ref().map(|value| value.as_ref().as_bytes().to_vec()),
    };
    Ok(HttpMatch {
        method: pattern("method", &rule.method, Reader::common)?,
        path: pattern("path", &rule.path, Reader::parse)?,
        host: pattern("host", &rule.host, Reader::common)?,
        headers: rule.headers.iter().map(header).collect(),
    })
}

/// A way to read an expression.
type Read = fn(&mut Reader, &str) -> Result<Pattern, PatternError>;
