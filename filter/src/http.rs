//! The HTTP filter: decides every request when its headers have come.

use std::rc::Rc;

use postern_filter_report::{DECISION_HEADER, Subject};
use postern_policy_core::http::Request;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

use crate::enforce::{Enforcer, Outcome};
use crate::host;

/// gRPC's PERMISSION_DENIED.
const PERMISSION_DENIED: i32 = 7;

pub(crate) struct HttpFilter {
    enforcer: Rc<Enforcer>,
}

impl HttpFilter {
    pub(crate) fn new(enforcer: Rc<Enforcer>) -> Self {
        Self { enforcer }
    }

    fn decide(&self) -> Outcome {
        let map = match host::request_headers() {
            Ok(map) => map,
            Err(status) => {
                host::log(LogLevel::Error, &format!("postern: denied: no request headers: status {status}"));
                return Outcome::Denied(None);
            }
        };
        let Some(request) = parse(&map, self.enforcer.wants_headers()) else {
            self.enforcer.unreadable();
            return Outcome::Denied(None);
        };
        self.enforcer.enforce(Subject::Request, Some(&request), |set, connection, certificate| {
            set.request_by(connection, certificate, &request)
        })
    }
}

impl Context for HttpFilter {}

impl HttpContext for HttpFilter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let id = match self.decide() {
            Outcome::Passes => return Action::Continue,
            Outcome::Denied(id) => id,
        };
        let header = id.as_deref().map(|id| (DECISION_HEADER, id));
        let answer =
            host::respond(403, "postern_denied", header.as_slice(), b"Access denied\r\n", PERMISSION_DENIED);
        // Where the host cannot answer, the request still gets no further.
        if let Err(status) = answer {
            host::log(
                LogLevel::Error,
                &format!("postern: could not answer a denied request: status {status}"),
            );
        }
        Action::Pause
    }
}

/// Reads the ABI's serialised header map: a count, the lengths of each name and value, then their bytes,
/// each followed by a zero byte. `None` where the numbers do not add up. Other headers than those that stand for the
/// request line are left out where they do not matter.
fn parse(map: &[u8], headers: bool) -> Option<Request<'_>> {
    let mut request = Request::default();
    let (count, rest) = map.split_first_chunk()?;
    let count = number(*count)?;
    let (lengths, mut bytes) = rest.split_at_checked(count.checked_mul(8)?)?;
    if headers {
        request.headers = Vec::with_capacity(count);
    }
    let (lengths, _) = lengths.as_chunks().0.as_chunks();
    for [name_length, value_length] in lengths {
        let name_length = number(*name_length)?;
        // A name, a zero byte, a value; and a zero byte that the last may lack.
        let length = name_length.checked_add(1)?.checked_add(number(*value_length)?)?;
        let (header, rest) = bytes.split_at_checked(length)?;
        bytes = rest.get(1..).unwrap_or_default();
        if !headers && header.first() != Some(&b':') {
            continue;
        }
        let (name, value) = header.split_at_checked(name_length)?;
        let value = value.get(1..)?;
        let field = if name.as_array() == Some(b":method") {
            &mut request.method
        } else if name.as_array() == Some(b":path") {
            &mut request.path
        } else if name.as_array() == Some(b":authority") {
            &mut request.authority
        } else {
            if headers {
                request.headers.push((name, value));
            }
            continue;
        };
        // Two values for one: which of them the upstream would use cannot be told.
        if field.replace(value).is_some() {
            return None;
        }
    }
    // Every request has one: without, this is none.
    request.method.is_some().then_some(request)
}

fn number(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
