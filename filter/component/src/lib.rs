//! The policy component: the decision of `policy/core` behind the interface of `wit/policy.wit`.
//!
//! It imports nothing, so it can do nothing but answer. It logs nothing, counts nothing and enforces nothing either:
//! a decision is a value, and all of that is its host's. What is decided, and how, is in `policy/core`; this crate
//! only turns the interface's values into the core's and back, as `filter` does for a proxy's host calls.

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "written by wit-bindgen from wit/policy.wit"
)]
mod bindings {
    use super::Component;

    wit_bindgen::generate!({ path: "../../wit", world: "policy" });
    export!(Component with_types_in self);
}
mod answer;
mod question;
mod state;

use bindings::exports::postern::policy::decider::{
    Connection, Guest, Judgement, Refusal, Report, Request as Asked,
};
use postern_policy_core::http::Request;

/// What answers: the state is the instance's.
struct Component;

impl Guest for Component {
    fn configure(bundle: Vec<u8>) -> Result<Report, Refusal> {
        state::replace(bundle)
    }

    fn decide_connection(connection: Connection) -> Judgement {
        let (ends, certificate) = question::connection(&connection);
        state::decide(None, |set| set.connection_by(&ends, certificate))
    }

    fn decide_request(connection: Connection, request: Asked) -> Judgement {
        let (ends, certificate) = question::connection(&connection);
        let request: Request<'_> = question::request(&request);
        state::decide(Some(&request), |set| set.request_by(&ends, certificate, &request))
    }
}
