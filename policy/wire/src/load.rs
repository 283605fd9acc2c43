//! A bundle taken apart: what has not changed since the last one is not compiled again.

use std::ops::Range;
use std::sync::Arc;

use postern_policy_core::http::HttpRule;
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
    endpoints: Range<usize>,
    /// Where each HTTP rule is in the text of the endpoints, for the next bundle.
    rules: Arc<[(Range<usize>, HttpRule)]>,
}

/// Which parts of a bundle are those of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Who is who.
    pub identities: bool,
    /// Who may do what.
    pub policy: bool,
}

/// A bundle with its large parts unread.
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
    endpoints: &'j RawValue,
}

impl Loaded {
    /// Reads and compiles a bundle. Of its two parts, identities and endpoints, one that is written as in one of
    /// those `before` is taken from there: the versions are not asked, so that a forgotten one does no harm. Of other
    /// endpoints, the HTTP rules are that are written as before.
    ///
    /// # Errors
    /// As [`decode`](crate::decode).
    pub fn new<'a>(bundle: Vec<u8>, before: impl IntoIterator<Item = &'a Self>) -> Result<Self, BundleError> {
        let Ok(parts) = serde_json::from_slice::<Parts<'_>>(&bundle) else {
            return Err(whole(&bundle));
        };
        if parts.api_version != API_VERSION {
            return Err(BundleError::Version(parts.api_version));
        }
        check(&parts.report)?;
        let (identities, endpoints) = (parts.identities.get(), parts.endpoints.get());
        let (mut as_known, mut as_policies) = (None, None);
        let mut earlier = Vec::new();
        for loaded in before {
            earlier.push(Earlier::new(loaded.text(&loaded.endpoints).unwrap_or_default(), &loaded.rules));
            if loaded.text(&loaded.identities) == Some(identities.as_bytes()) {
                as_known = Some(Arc::clone(&loaded.known));
            }
            if loaded.text(&loaded.endpoints) == Some(endpoints.as_bytes()) {
                as_policies = Some(loaded);
            }
        }
        let kept = Kept { identities: as_known.is_some(), policy: as_policies.is_some() };
        let known = match as_known {
            Some(known) => known,
            None => Arc::new(known(part(identities).ok_or_else(|| whole(&bundle))?)?),
        };
        let (policies, quarantined, rules) = match as_policies {
            Some(loaded) => {
                (Arc::clone(loaded.set.policies()), loaded.quarantined.clone(), Arc::clone(&loaded.rules))
            }
            None => {
                let rules = part::<Vec<Endpoint<&RawValue>>>(endpoints).ok_or_else(|| whole(&bundle))?;
                let mut reading = Reading::after(earlier);
                let policies = policies(rules, &mut reading).map_err(|error| match error {
                    BundleError::Shape { .. } => whole(&bundle),
                    error => error,
                })?;
                let texts = reading.texts.into_iter();
                let rules = texts.map(|(text, rule)| (within(endpoints.as_bytes(), text), rule)).collect();
                (Arc::new(policies), reading.quarantined, rules)
            }
        };
        let set = PolicySet::of(policies, Arc::clone(&known), attachment(parts.attach)?)?;
        let (identities, endpoints) = (within(&bundle, identities), within(&bundle, endpoints));
        let Parts { report, versions, .. } = parts;
        Ok(Self { set, quarantined, report, versions, kept, known, bundle, identities, endpoints, rules })
    }

    /// The bundle as it came.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    fn text(&self, part: &Range<usize>) -> Option<&[u8]> {
        self.bundle.get(part.clone())
    }
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
