//! Allowances: everything that a direction lets pass of one kind of connection, as a value to reason about.

use crate::decide::Verdict;
use crate::endpoint::{Action, DirectionPolicy, Flow};
use crate::http::HttpRule;

/// What passes of the connections that a flow stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance<'p> {
    /// Nothing.
    Nothing,
    /// Everything, HTTP or not.
    Everything,
    /// The HTTP requests that one of these rules matches, if they are not quarantined.
    Requests(Vec<&'p HttpRule>),
}

impl DirectionPolicy {
    /// What passes of a flow's connections. [`request`](Self::request) lets pass just the same, path by path of
    /// one reading.
    pub fn allowance(&self, flow: &Flow) -> Allowance<'_> {
        let rules = self.considered(|rule| rule.covers(flow));
        match self.connect(&rules).verdict {
            Verdict::Allow => return Allowance::Everything,
            Verdict::Deny => return Allowance::Nothing,
            Verdict::Redirect => {}
        }
        let mut requests = Vec::new();
        for rule in rules {
            match &rule.action {
                Action::Http(http) => requests.extend(http.iter()),
                Action::Allow => return Allowance::Everything,
                Action::Deny => return Allowance::Requests(requests),
                Action::Pass | Action::Quarantined(_) => {}
            }
        }
        if self.default_deny { Allowance::Requests(requests) } else { Allowance::Everything }
    }
}
