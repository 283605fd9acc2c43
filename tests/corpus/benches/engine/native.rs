//! The core, without any VM: one request against a policy set.

use postern_policy_core::decide::Verdict;
use postern_policy_core::http::Request;
use postern_policy_core::set::{Connection, PolicySet};
use postern_policy_wire::decode;

use crate::rules;
use crate::world::{self, Set};

/// A policy set and what is asked of it.
pub(crate) struct Native {
    set: PolicySet,
    connection: Connection,
    /// One for each path, made ahead: what is measured is the decision.
    requests: Vec<Request<'static>>,
    next: usize,
}

impl Native {
    pub(crate) fn new(set: &Set) -> Self {
        let requests = set.paths.iter().map(|path| request(String::leak(path.clone()))).collect();
        let (set, quarantined) = decode(&set.bundle).expect("the bundle was written by this program");
        assert!(quarantined.is_empty(), "{quarantined:?}");
        Self { set, connection: world::connection(), requests, next: 0 }
    }

    /// Decides the next request, which must be allowed.
    #[inline(never)]
    pub(crate) fn request(&mut self) {
        let request = self.requests.get(self.next).expect("there are paths");
        self.next = (self.next + 1) % self.requests.len();
        let judged = self.set.request(&self.connection, request);
        assert!(judged.decision.verdict == Verdict::Allow, "{request:?}: {:?}", judged.decision);
    }
}

fn request(path: &'static str) -> Request<'static> {
    let mut request = Request { path: Some(path.as_bytes()), ..Request::default() };
    for (name, value) in rules::HEADERS {
        let value = value.as_bytes();
        match name {
            ":method" => request.method = Some(value),
            ":authority" => request.authority = Some(value),
            name => request.headers.push((name.as_bytes(), value)),
        }
    }
    request
}
