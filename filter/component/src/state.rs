//! The policy in force. A component is one thread and keeps what it was configured with; this is all it keeps.

use std::cell::RefCell;

use postern_policy_core::decide::Reason;
use postern_policy_core::http::Request;
use postern_policy_core::set::{Judged, PolicySet};
use postern_policy_wire::Loaded;

use crate::answer;
use crate::bindings::exports::postern::policy::decider::{Judgement, Refusal, Report};

thread_local! {
    static POLICY: RefCell<Option<Loaded>> = const { RefCell::new(None) };
}

/// Compiles a bundle, but for the parts that are as they were, and puts it in force. One that is refused changes
/// nothing.
pub(crate) fn replace(bundle: Vec<u8>) -> Result<Report, Refusal> {
    POLICY.with_borrow_mut(|policy| {
        let loaded = Loaded::new(bundle, policy.as_ref()).map_err(|error| answer::refusal(&error))?;
        let report = answer::report(&loaded);
        *policy = Some(loaded);
        Ok(report)
    })
}

/// Decides by the policy in force.
pub(crate) fn decide(
    request: Option<&Request<'_>>,
    decide: impl for<'p> FnOnce(&'p PolicySet) -> Judged<'p>,
) -> Judgement {
    POLICY.with_borrow(|policy| {
        let judged = match policy {
            Some(loaded) => decide(&loaded.set),
            None => Judged::closed(Reason::NotLoaded),
        };
        answer::judgement(&judged, request)
    })
}
