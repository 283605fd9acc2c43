//! Metrics: how many connections and requests passed or did not, and why.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use postern_policy_core::decide::{Decision, Verdict};
use proxy_wasm::types::MetricType;

use crate::host;

/// What was decided on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Connection,
    Request,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Request => "request",
        })
    }
}

/// What a counter counts: subject, verdict and the name of the reason, each of a closed set.
type Key = (Subject, Verdict, &'static str);

/// Counters, each defined when it is first needed; `None` where the host did not want it.
#[derive(Default)]
pub(crate) struct Metrics {
    counters: RefCell<HashMap<Key, Option<u32>>>,
}

impl Metrics {
    pub(crate) fn count(&self, subject: Subject, decision: &Decision<'_>) {
        let key = (subject, decision.verdict, decision.reason.code());
        let id = *self.counters.borrow_mut().entry(key).or_insert_with(|| {
            let (subject, verdict, reason) = key;
            let name = format!("postern_{subject}s_{verdict}_{}", reason.replace('-', "_"));
            // A host without metrics still enforces.
            host::metric(MetricType::Counter, &name).ok()
        });
        if let Some(id) = id {
            host::increment(id);
        }
    }

    pub(crate) fn quarantined(&self, rules: usize) {
        if let Ok(id) = host::metric(MetricType::Gauge, "postern_rules_quarantined") {
            host::record(id, u64::try_from(rules).unwrap_or(u64::MAX));
        }
    }
}
