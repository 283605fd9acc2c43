//! The policy in force. A component is one thread and keeps what it was configured with; this is all it keeps.

use std::cell::RefCell;

use postern_policy_core::decide::{Decision as CoreDecision, Reason};
use postern_policy_core::http::Request;
use postern_policy_core::set::{Judged, PolicySet};
use postern_policy_wire::decode;

use crate::answer;
use crate::bindings::exports::postern::policy::decider::{Judgement, Refusal, Report};

thread_local! {
    static POLICY: RefCell<Option<PolicySet>> = const { RefCell::new(None) };
}

/// Compiles a bundle and puts it in force. One that is refused changes nothing.
pub(crate) fn replace(bundle: &[u8]) -> Result<Report, Refusal> {
    let (set, quarantined) = decode(bundle).map_err(|error| answer::refusal(&error))?;
    let report = Report {
        endpoints: u32::try_from(set.endpoints().len()).unwrap_or(u32::MAX),
        quarantined: quarantined.into_iter().map(answer::quarantined).collect(),
    };
    POLICY.replace(Some(set));
    Ok(report)
}

/// Decides by the policy in force.
pub(crate) fn decide(
    request: Option<&Request<'_>>,
    decide: impl for<'p> FnOnce(&'p PolicySet) -> Judged<'p>,
) -> Judgement {
    POLICY.with_borrow(|policy| {
        let judged = match policy {
            Some(set) => decide(set),
            None => Judged { side: None, decision: CoreDecision::closed(Reason::NotLoaded) },
        };
        answer::judgement(&judged, request)
    })
}
