//! A bundle taken apart: what has not changed since the last one is not compiled again.

use std::ops::Range;
use std::sync::Arc;

use postern_policy_core::identity::Known;
use postern_policy_core::set::PolicySet;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{BundleError, Quarantined, attachment, check, known, parse, policies};
use crate::document::{API_VERSION, Attach, Endpoint, Report, Versions};
use crate::rules::{Earlier, Reading};

/// A bundle that is compiled, and the text it came from.
#[derive(Debug)]
pub struct Loaded {
    /// What is enforced.
    pub set: PolicySet,
    /// The rules that could not be compiled.
    pub quarantined: Vec<Quarantined>,
    /// What is reported.
    pub report: Report,
    /// The versions of the parts, where the bundle gives them.
    pub versions: Option<Versions>,
    /// Which parts are those of an earlier bundle.
    pub kept: Kept,
    known: Arc<Known>,
    bundle: Vec<u8>,
    identities: Range<usize>,
    /// Where the text with the endpoints begins.
    rest: usize,
    /// Where in it each HTTP rule is, for the next bundle.
    rules: Arc<[Range<usize>]>,
}

/// Which parts of a bundle are those of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Who is who.
    pub identities: bool,
    /// Who may do what.
    pub policy: bool,
}

/// A bundle with identities and HTTP rules unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parts<'j> {
    api_version: String,
    #[serde(default)]
    versions: Option<Versions>,
    #[serde(default)]
    report: Report,
    #[serde(default)]
    attach: Attach,
    #[serde(borrow)]
    identities: &'j RawValue,
    #[serde(borrow)]
    endpoints: Vec<Endpoint<&'j RawValue>>,
}

impl Loaded {
    /// Reads and compiles a bundle. Of its two parts, identities and endpoints, one that is written as in one of
    /// those `before` is taken from there: the versions are not asked, so that a forgotten one does no harm. Of other
    /// endpoints, the HTTP rules are that are written as before.
    ///
    /// # Errors
    /// As [`decode`](crate::decode).
    pub fn new<'a>(bundle: Vec<u8>, before: impl IntoIterator<Item = &'a Self>) -> Result<Self, BundleError> {
        // One pass over all of it: what is read twice takes twice as long, and requests wait.
        let parts = std::str::from_utf8(&bundle).ok().and_then(part::<Parts<'_>>);
        let Some(parts) = parts else { return Err(whole(&bundle)) };
        if parts.api_version != API_VERSION {
            return Err(BundleError::Version(parts.api_version));
        }
        check(&parts.report)?;
        let identities = within(&bundle, parts.identities.get());
        let rest = rest(&bundle, &identities);
        let text = bundle.get(rest..).unwrap_or_default();
        let (mut as_known, mut as_policies) = (None, None);
        let mut earlier = Vec::new();
        for loaded in before {
            if loaded.bundle.get(loaded.identities.clone()) == bundle.get(identities.clone()) {
                as_known = Some(Arc::clone(&loaded.known));
            }
            if loaded.rest > 0 && rest > 0 && loaded.rest() == text {
                as_policies = Some(loaded);
            }
            earlier.push(loaded);
        }
        let kept = Kept { identities: as_known.is_some(), policy: as_policies.is_some() };
        let known = match as_known {
            Some(known) => known,
            None => Arc::new(known(part(parts.identities.get()).ok_or_else(|| whole(&bundle))?)?),
        };
        let (policies, quarantined, rules) = match as_policies {
            Some(loaded) => {
                (Arc::clone(loaded.set.policies()), loaded.quarantined.clone(), Arc::clone(&loaded.rules))
            }
            None => {
                let earlier =
                    earlier.into_iter().map(|it| Earlier::new(it.rest(), &it.rules, it.set.policies()));
                let mut reading = Reading::after(earlier.collect());
                let policies = policies(parts.endpoints, &mut reading).map_err(|error| match error {
                    BundleError::Shape { .. } => whole(&bundle),
                    error => error,
                })?;
                let rules = reading.texts.iter().map(|rule| within(text, rule)).collect();
                (Arc::new(policies), reading.quarantined, rules)
            }
        };
        let set = PolicySet::of(policies, Arc::clone(&known), attachment(parts.attach)?)?;
        let Parts { report, versions, .. } = parts;
        Ok(Self { set, quarantined, report, versions, kept, known, bundle, identities, rest, rules })
    }

    /// The bundle as it came.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// The text with the endpoints.
    fn rest(&self) -> &[u8] {
        self.bundle.get(self.rest..).unwrap_or_default()
    }
}

/// Where the text begins that says all about the endpoints: behind the identities, if the endpoints come next. Two valid
/// bundles with the same text from there on have the same endpoints. Otherwise it is all of the bundle.
fn rest(bundle: &[u8], identities: &Range<usize>) -> usize {
    let after = bundle.get(identities.end..).unwrap_or_default().trim_ascii_start();
    let key = after.strip_prefix(b",").map(<[u8]>::trim_ascii_start);
    if key.is_some_and(|key| key.starts_with(b"\"endpoints\"")) { identities.end } else { 0 }
}

/// Reads a part. Where it is wrong is not kept track of, which would take as long again: [`whole`] says it.
fn part<'d, T: Deserialize<'d>>(text: &'d str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Read as a whole, an error has its place in the bundle.
fn whole(bundle: &[u8]) -> BundleError {
    match parse(bundle) {
        Err(error) => error,
        Ok(_) => BundleError::Shape {
            path: "at the top level".to_owned(),
            message: "expected `identities` and `endpoints` as lists, each once".to_owned(),
        },
    }
}

/// Where a part of the text is.
fn within(text: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start + part.len()
}
